/** What a dtype costs on the user's rows, computed by our own model with the dtype's values. */
import { BidoraError } from "../../../../base/index.js";
import type { Metrics } from "../../../../base/records/index.js";
import { type LanguageExample, where } from "../../../../tasks/data/index.js";
import {
  knownPositive,
  labelsForInference,
  positiveOf,
  readExamples,
  trainedColumns,
} from "../../../../tasks/datasets/index.js";
import {
  type Batch,
  type EncodedExample,
  encodeExamples,
  sequenceClassification,
  type Task,
} from "../../../../tasks/index.js";
import type { Tokenizer } from "../../../../text/index.js";
import type * as torch from "../../../../torch/index.js";
import { evaluationBatches } from "../../../evaluation/batches.js";
import { type EvaluationOptions, evaluateWithOutputs } from "../../../evaluation/evaluateRows.js";
import { usualLengthFor } from "../../../inference/predictions.js";
import type { ExportedModel } from "../exportedModel.js";
import type { Arithmetic } from "./emulation.js";
import { Emulation } from "./emulation.js";
import { batchSizeOf, byRow, exportedOutputs, Float32Outputs } from "./outputs.js";

/** A graph's deviation from float32. */
export interface DtypeError {
  /** The largest difference of an output (logits, or hidden states) from float32, over the range of float32's outputs. */
  readonly error: number;
  /** The task's metrics, and those in float32, if all rows have labels. */
  readonly metrics?: Metrics;
  readonly float32Metrics?: Metrics;
}

/** The user's rows, and how they are scored if they have labels. */
export interface RowsToScore {
  readonly rows: readonly EncodedExample[];
  readonly scoring: Omit<EvaluationOptions, "batchSize"> | undefined;
  /** What the dtypes' outputs are compared with. */
  readonly exact: Float32Outputs;
}

/**
 * Reads rows with or without labels.
 * @throws BidoraError naming a row that does not fit
 */
export async function readMeasured(path: string, model: ExportedModel, tokenizer: Tokenizer): Promise<RowsToScore> {
  const { metadata, kind, labels: names } = model;
  const task: Task = "encode" in model.task ? model.task : sequenceClassification;
  const dataset = await readExamples(task, path, trainedColumns(metadata), "optional");
  const hasLabels =
    kind !== undefined &&
    !task.embedding &&
    !task.isGenerative &&
    dataset.examples.every(({ label }) => label !== undefined);
  const choice = { kind: kind ?? "", task, dataset: undefined, metrics: undefined, texts: false };
  const labels = hasLabels ? labelsForInference(choice, dataset, names) : undefined;
  const { config } = model.model;
  const maxLength = usualLengthFor({ ...model, task, tokenizer });
  const examples = hasLabels ? dataset.examples : dataset.examples.map((example) => ({ ...example, label: undefined }));
  const rows = await encodeExamples(task, examples, tokenizer, { labels, maxLength, model: config });
  const isScored =
    hasLabels || (task.isGenerative === true && (dataset.examples as LanguageExample[]).every(hasAnswer));
  const known = knownPositive(names, metadata);
  const scoring = { task, labels: labels?.names ?? names, positive: positiveOf(choice, labels, { known }) };
  return { rows, scoring: isScored ? scoring : undefined, exact: new Float32Outputs(model) };
}

/** Whether a row of a language model has more than a prompt. */
const hasAnswer = ({ input }: LanguageExample): boolean =>
  input.kind !== "prompt" || input.completion !== undefined || input.references !== undefined;

/** The metrics in float32; undefined for rows without labels. */
export const float32Metrics = (exported: ExportedModel, measured: RowsToScore): Promise<Metrics | undefined> =>
  metricsOf(exported, measured, batchSizeOf(exported), (row, outputs) => measured.exact.hold(row, outputs));

type OnRow = (row: EncodedExample, outputs: Float32Array) => void;

/** The metrics of rows that are scored. @param onRow gets the outputs of each row, if metrics are computed from all outputs of the graph */
async function metricsOf(
  exported: ExportedModel,
  { rows, scoring }: RowsToScore,
  batchSize: number,
  onRow?: OnRow,
): Promise<Metrics | undefined> {
  if (!scoring) return undefined;
  const onOutputs = (batch: Batch, outputs: torch.Tensor) => {
    for (const [i, own] of byRow(exported, outputs, batch).entries()) onRow?.(batch.examples[i]!, own);
  };
  const options = { ...scoring, batchSize, ...(usesAllOutputs(scoring.task) && { onOutputs }) };
  return (await evaluateWithOutputs(exported.model, rows, options)).metrics;
}

/** Whether metrics are computed from the graph's outputs, all of them. */
const usesAllOutputs = ({ forward }: Task): boolean => forward === undefined;

/**
 * The error of a graph in another dtype, with its metrics.
 * @param dtype its name, for errors
 * @throws BidoraError `NOT_FINITE` naming the row whose outputs are not finite
 */
export async function dtypeError(
  dtype: string,
  arithmetic: Arithmetic,
  exported: ExportedModel,
  measured: RowsToScore,
): Promise<DtypeError> {
  const { rows, scoring, exact } = measured;
  const emulation = new Emulation(exported.model, exported.changed, arithmetic);
  const batchSize = batchSizeOf(exported, arithmetic);
  const spread = new Spread(dtype);
  const compare = async () => {
    for (const batch of evaluationBatches(rows, batchSize)) {
      const expected = exact.of(batch);
      const own = await emulation.within(() => exportedOutputs(exported, batch));
      for (const [i, row] of batch.entries()) spread.add(row, own[i]!, expected[i]!);
    }
  };
  const together = scoring !== undefined && usesAllOutputs(scoring.task) && exact.holds(rows);
  const onRow: OnRow = (row, own) => spread.add(row, own, exact.of([row])[0] as Float32Array);
  try {
    if (!together) await compare();
    const metrics = await emulation.within(() =>
      metricsOf(exported, measured, batchSize, together ? onRow : undefined),
    );
    return { error: spread.error, ...(metrics && { metrics }) };
  } catch (error) {
    if (together) await compare(); // names the dtype and the row whose outputs are not finite
    throw error;
  } finally {
    emulation.dispose();
  }
}

/** The largest difference from float32's outputs, and their range. */
class Spread {
  #difference = 0;
  #low = Number.POSITIVE_INFINITY;
  #high = Number.NEGATIVE_INFINITY;

  constructor(private readonly dtype: string) {}

  add(row: EncodedExample, own: Float32Array, exact: Float32Array): void {
    for (let i = 0; i < own.length; i++) {
      const [value, expected] = [own[i]!, exact[i]!];
      if (!Number.isFinite(value)) throw notFinite(this.dtype, row);
      this.#difference = Math.max(this.#difference, Math.abs(value - expected));
      this.#low = Math.min(this.#low, expected);
      this.#high = Math.max(this.#high, expected);
    }
  }

  get error(): number {
    return this.#difference === 0 ? 0 : this.#difference / (this.#high - this.#low);
  }
}

const notFinite = (dtype: string, { at }: EncodedExample): BidoraError =>
  new BidoraError(
    "NOT_FINITE",
    `${where(at)}: with ${dtype} the model's output is not a finite number, so the model was not written; leave ${dtype} out of --dtype.`,
  );
