// Fine-tunes a model as `bidora finetune` does: node build/examples/finetune.js [MODEL] [TRAIN] [VALIDATION] [OUTPUT]
import { finetune } from "bidora";

const [
  model = "sentence-transformers/all-MiniLM-L6-v2",
  train = "examples/data/sms_spam/train.tsv",
  validation = "examples/data/sms_spam/test.tsv",
  output = "runs/example",
] = process.argv.slice(2);

// The settings are the flags of the command line in camelCase, with the same defaults.
const { metrics } = await finetune({
  ...{ model, train, validation, output, overwrite: true },
  ...{ task: "sequence-classification", method: "dora", rank: 8, maxSteps: 40, batchSize: 16, learningRate: 2e-3 },
});

for (const [name, value] of Object.entries(metrics)) console.log(`${name}: ${value.toFixed(3)}`);
console.log(`The adapter and report.html are in ${output}.`);
