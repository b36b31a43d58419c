// A custom task that predicts a share between 0 and 1: node build/examples/ownTask.js [MODEL] [TRAIN] [VALIDATION] [OUTPUT]
import {
  type EncodedExample,
  evaluate,
  finetune,
  loadTexts,
  type metrics,
  nn,
  readNumber,
  regression,
  type Task,
  type TextExample,
  torch,
} from "bidora";

interface SharePrediction {
  readonly share: number;
}

const targets = (examples: readonly EncodedExample<number>[]) =>
  torch.tensor(
    examples.map(({ target }) => target as number),
    [examples.length, 1],
  );

const meanAbsoluteError: metrics.Metric<number, SharePrediction, number> = {
  values: { meanAbsoluteError: { goal: "minimize" } },
  measure: (reference, { share }) => Math.abs(share - reference),
  result: (errors) => ({ meanAbsoluteError: errors.reduce((a, b) => a + b, 0) / errors.length }),
};

/** The model's output is the logit of the share; the loss is the binary cross-entropy with the share as the target probability. */
const share: Task<TextExample<number>, EncodedExample<number>, SharePrediction, number> = {
  rows: "one or two texts, a number between 0 and 1",
  head: regression.head,
  peftTaskType: "SEQ_CLS",
  outputs: ["share"],
  read: (file, options) => loadTexts(file, { read: readNumber }, options),
  encode: (examples, tokenizer, options) => regression.encode(examples, tokenizer, options),
  weight: () => 1,
  loss: (outputs, { examples }) => nn.binaryCrossEntropy(outputs, targets(examples)),
  predict: ([outputs]) => ({ share: 1 / (1 + Math.exp(-(outputs?.values[0] as number))) }),
  reference: ({ label }) => label as number,
  scorer: () => ({ main: "meanAbsoluteError", metric: meanAbsoluteError }),
};

const [
  model = "sentence-transformers/all-MiniLM-L6-v2",
  train = "examples/data/shares.jsonl",
  validation = train,
  output = "runs/share",
] = process.argv.slice(2);
const task = { kind: "share", task: share };

const settings = { model, train, validation, output, overwrite: true, maxSteps: 20, batchSize: 4 } as const;
console.log("trained:", (await finetune(settings, { task })).metrics);
// The adapter records the task name `share`, so every later call needs a task of that name.
console.log("loaded again:", (await evaluate({ model, adapter: output, data: validation }, { task })).metrics);
