// Compares methods as `bidora compare` does: node build/examples/compare.js [MODEL] [TRAIN] [VALIDATION] [OUTPUT]
import { compare } from "bidora";

const [
  model = "sentence-transformers/all-MiniLM-L6-v2",
  train = "examples/data/sms_spam/train.tsv",
  validation = "examples/data/sms_spam/test.tsv",
  output = "runs/compared",
] = process.argv.slice(2);

// The settings are the flags of the command line in camelCase. Each run is a separate process; a second call does only what is missing.
const outcome = await compare(
  {
    ...{ model, train, validation, output, task: "sequence-classification" },
    ...{ methods: ["lora", "dora"], seeds: [0, 1], maxSteps: 20, batchSize: 16, learningRate: 2e-3, jobs: 2 },
  },
  { onNote: (line) => console.log(line) },
);

if (outcome.kind === "compared") {
  console.log(outcome.text);
  for (const test of outcome.result.tests)
    if ("p" in test) console.log(`${test.a} against ${test.b}, ${test.test}: p = ${test.p.toFixed(3)}`);
}
