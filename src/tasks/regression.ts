import * as z from "zod";
import { BidoraError } from "../base/index.js";
import { meanSquaredError } from "../models/nn/index.js";
import * as torch from "../torch/index.js";
import type { EncodedExample } from "./batch.js";
import { targetOf } from "./batch.js";
import { exactMean, lossOfMean } from "./constant.js";
import {
  type Dataset,
  type LoadRowsOptions,
  loadTexts,
  type RowSource,
  readNumber,
  type TextExample,
} from "./data/index.js";
import { mapPrediction } from "./metrics/index.js";
import { namedMetrics } from "./scorer.js";
import type { ConstantPredictor, Task } from "./task.js";
import { encodeTexts, labelMismatch, SEQUENCE_HEAD } from "./texts.js";

/** The number predicted for an example. */
export interface NumberPrediction {
  readonly value: number;
}

const constantOf = (value: ConstantPredictor["answer"]) => ({ answer: value, of: () => ({ value }) });

/** A number for one or two texts. */
export const regression: Task<TextExample<number>, EncodedExample<number>, NumberPrediction, number> = {
  rows: "one or two texts, a number",
  head: SEQUENCE_HEAD,
  peftTaskType: "SEQ_CLS",
  problem: { type: "regression", outputs: [1, 1], isAssumed: true },
  outputs: ["value"],
  read,
  reference,
  encode: (examples, tokenizer, options) => encodeTexts(examples, tokenizer, options, reference),
  weight: () => 1,
  loss: (outputs, { examples }) =>
    meanSquaredError(
      torch.flatten(outputs),
      torch.tensor(examples.map(targetOf), [examples.length], outputs.dtype, outputs.device),
    ),
  constantLoss: (known, examples) => lossOfMean(known.map(targetOf), examples.map(targetOf)),
  constantPrediction: (known) => constantOf(exactMean(known.map(targetOf))),
  constantOf,
  predict: ([outputs]) => ({ value: outputs?.values[0] as number }),
  prediction: z.object({ value: z.number() }),
  scorer: ({ metrics }) => {
    const { metric, ...facts } = namedMetrics(metrics ?? ["mean-squared-error", "pearson", "spearman"]);
    return { ...facts, metric: mapPrediction(metric, ({ value }) => value) };
  },
};

/** @throws BidoraError `NO_LABELS` if every label is -1, as in the Hub's test files of GLUE */
async function read(source: RowSource, options: LoadRowsOptions): Promise<Dataset<TextExample<number>>> {
  const dataset = await loadTexts(source, { read: readNumber }, options);
  const { examples } = dataset;
  if (options.labels === "optional" || examples.length < 2 || examples.some(({ label }) => label !== UNLABELED))
    return dataset;
  const { file } = examples[0]!.at;
  throw new BidoraError("NO_LABELS", `Every label in ${file} is ${UNLABELED}: expected a file with labels.`);
}

/** The label in files without published labels. */
const UNLABELED = -1;

function reference({ label, at }: TextExample<number>): number {
  if (typeof label !== "number") throw labelMismatch(label, at, "a number");
  return label;
}
