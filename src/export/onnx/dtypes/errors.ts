/** What a dtype costs on the user's rows, computed by our own model with the dtype's values. */
import { BidoraError } from "../../../common/errors.js";
import { rowOptions } from "../../../config/index.js";
import { type LanguageExample, where } from "../../../data/index.js";
import { labelsForInference, positiveOf } from "../../../datasets/choice.js";
import { readRows, trainedColumns } from "../../../datasets/splits.js";
import type { Metrics } from "../../../files/metrics.js";
import { NO_HEAD } from "../../../models/index.js";
import { EVALUATION } from "../../../nn/index.js";
import {
  type Batch,
  batchOf,
  type EncodedRow,
  encodeRows,
  maxLengthOf,
  sequenceClassification,
  type Task,
} from "../../../tasks/index.js";
import type { Tokenizer } from "../../../text/index.js";
import * as torch from "../../../torch/index.js";
import { type EvaluationOptions, evaluateRows } from "../../../train/evaluation.js";
import type { ExportedModel } from "../open.js";
import type { Arithmetic } from "./arithmetic.js";
import { Emulation } from "./emulation.js";

/** A graph's deviation from float32. */
export interface DtypeError {
  /** The largest difference of an output (logits, or hidden states) from float32, over the range of float32's outputs. */
  readonly error: number;
  /** The task's metrics, and those in float32, if all rows have labels. */
  readonly metrics?: Metrics;
  readonly float32Metrics?: Metrics;
}

/** The user's rows, and how they are scored if they have labels. */
export interface MeasuredRows {
  readonly rows: readonly EncodedRow[];
  readonly scoring: EvaluationOptions | undefined;
}

/** One row at a time: ranges of a batch's inputs depend on its padding. */
const BATCH_SIZE = 1;

/**
 * Reads rows with or without labels.
 * @throws BidoraError naming a row that does not fit
 */
export async function readMeasured(path: string, model: ExportedModel, tokenizer: Tokenizer): Promise<MeasuredRows> {
  const { metadata, kind, labels: names } = model;
  const task: Task = "encode" in model.task ? model.task : sequenceClassification;
  const dataset = await readRows(task, path, trainedColumns(metadata), "optional");
  const hasLabels =
    kind !== undefined &&
    !task.embedding &&
    !task.isGenerative &&
    dataset.examples.every(({ label }) => label !== undefined);
  const choice = { kind: kind ?? "", task, dataset: undefined, metrics: undefined, texts: false };
  const labels = hasLabels ? labelsForInference(choice, dataset, names) : undefined;
  const { config } = model.model;
  const length = maxLengthOf(metadata?.maxLength ?? rowOptions.maxLength.default, false, tokenizer, config.maxTokens);
  const examples = hasLabels ? dataset.examples : dataset.examples.map((example) => ({ ...example, label: undefined }));
  const rows = await encodeRows(task, examples, tokenizer, { labels, maxLength: length, model: config });
  const isScored =
    hasLabels || (task.isGenerative === true && (dataset.examples as LanguageExample[]).every(hasAnswer));
  const scoring = { task, labels: labels?.names ?? names, batchSize: BATCH_SIZE, positive: positiveOf(choice, labels) };
  return { rows, scoring: isScored ? scoring : undefined };
}

/** Whether a row of a language model has more than a prompt. */
const hasAnswer = ({ input }: LanguageExample): boolean =>
  input.kind !== "prompt" || input.completion !== undefined || input.references !== undefined;

/** The metrics in float32; undefined for rows without labels. */
export const float32Metrics = async (
  { model }: ExportedModel,
  { rows, scoring }: MeasuredRows,
): Promise<Metrics | undefined> => scoring && (await evaluateRows(model, rows, scoring)).metrics;

/**
 * The error of a graph in another dtype, with its metrics.
 * @param dtype its name, for errors
 * @throws BidoraError `NOT_FINITE` naming the row whose outputs are not finite
 */
export async function dtypeError(
  dtype: string,
  arithmetic: Arithmetic,
  exported: ExportedModel,
  { rows, scoring }: MeasuredRows,
): Promise<DtypeError> {
  const { model, changed } = exported;
  const emulation = new Emulation(model, changed, arithmetic);
  const compute = () => (scoring ? evaluateRows(model, rows, scoring) : undefined);
  try {
    const error = await largestError(dtype, exported, emulation, rows);
    const metrics = (await emulation.within(compute))?.metrics;
    return { error, ...(metrics && { metrics }) };
  } finally {
    emulation.dispose();
  }
}

async function largestError(
  dtype: string,
  exported: ExportedModel,
  emulation: Emulation,
  rows: readonly EncodedRow[],
): Promise<number> {
  let [error, low, high] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const row of rows) {
    const exact = outputsOf(exported, row);
    const own = await emulation.within(() => outputsOf(exported, row));
    for (const [i, value] of own.entries()) {
      if (!Number.isFinite(value)) throw notFinite(dtype, row);
      error = Math.max(error, Math.abs(value - (exact[i] as number)));
      low = Math.min(low, exact[i] as number);
      high = Math.max(high, exact[i] as number);
    }
  }
  return error === 0 ? 0 : error / (high - low);
}

/** The outputs of the graph for a row, or the embeddings of its texts. */
function outputsOf(exported: ExportedModel, row: EncodedRow): Float32Array {
  return torch.noGrad(() =>
    torch.scope(() => {
      const batch = batchOf([row], exported.model.device);
      return torch.contiguous(forward(exported, batch)).toTypedArray() as Float32Array;
    }),
  );
}

function forward({ model, task }: ExportedModel, batch: Batch): torch.Tensor {
  if ("forward" in task && task.forward) return task.forward(model, batch, EVALUATION);
  return task.head === NO_HEAD ? model.backbone.forward(batch, EVALUATION) : model.forwardWhole(batch, EVALUATION);
}

const notFinite = (dtype: string, { at }: EncodedRow): BidoraError =>
  new BidoraError(
    "NOT_FINITE",
    `${where(at)}: with ${dtype} the model's output is not a finite number, so the model was not written; leave ${dtype} out of --dtype.`,
  );
