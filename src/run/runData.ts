import { type AdapterMetadata, findAdapterMetadata } from "../adapters/index.js";
import { BidoraError, UsageError } from "../common/errors.js";
import type { LabelMap } from "../data/index.js";
import {
  askedTask,
  labelsFor,
  readSplits,
  type Splits,
  type TaskChoice,
  taskOf,
  usualColumns,
  withSubsets,
} from "../datasets/index.js";
import { readConfig } from "../io/checkpoint.js";
import type { HubOptions } from "../io/hub/options.js";
import { resolveModel } from "../io/resolveModel.js";
import { architectureOf, type ModelConfig } from "../models/index.js";
import { inferTask, maxLengthOf, TASKS, type Task, type TrainedHead } from "../tasks/index.js";
import { loadTokenizer, type Tokenizer } from "../text/index.js";
import type { RunStart } from "./adapterStart.js";

/** What a run reads before its weights. */
export interface RunData {
  readonly folder: string;
  readonly choice: TaskChoice;
  /** The head that the checkpoint was trained with, if there is one. */
  readonly own: TrainedHead | undefined;
  readonly splits: Splits;
  readonly tokenizer: Tokenizer;
  readonly labels: LabelMap | undefined;
  readonly model: ModelConfig;
  readonly maxLength: number;
}

/** Finds the model, settles the task, and reads rows and tokenizer. */
export async function readRunData({ config, saved, task }: RunStart, hub?: HubOptions): Promise<RunData> {
  const revision = config.revision === undefined ? {} : { revision: config.revision };
  const folder = await resolveModel(config.model, { ...hub, ...revision });
  const checkpointConfig = readConfig(folder);
  const architecture = architectureOf(checkpointConfig);
  const own = inferTask(checkpointConfig);
  const choice = askedTask(config.task, task) ?? taskOf(saved?.metadata?.task ?? own?.kind ?? missingTask());
  const splits = await readSplits(choice, {
    ...config,
    ...usualColumns(saved ? saved.metadata : findAdapterMetadata(folder)),
  });
  const tokenizer = await loadTokenizer(folder);
  const labels = labelsFor(choice, splits, labelsOfKind(choice.kind, saved?.metadata, own));
  checkCount(choice.task, labels?.names);
  const model = architecture.parseConfig(checkpointConfig);
  const maxLength = maxLengthOf(config.maxLength, "maxLength" in config.given, tokenizer, model.maxTokens);
  // What the labels are is known from all rows, however few of them are trained on.
  return { folder, choice, own, splits: withSubsets(splits, config), tokenizer, labels, model, maxLength };
}

/** The labels of a head of this kind, be it the adapter's or the checkpoint's: another kind's mean something else. */
function labelsOfKind(
  kind: string,
  metadata: AdapterMetadata | undefined,
  own: TrainedHead | undefined,
): readonly string[] | undefined {
  if (metadata?.labels && (metadata.task === undefined || metadata.task === kind)) return metadata.labels;
  return own?.kind === kind ? own.labels : undefined;
}

/** @throws BidoraError `ONE_LABEL` where there is nothing to tell apart */
function checkCount(task: Task, labels: readonly string[] | undefined): void {
  const [fewest] = task.problem?.outputs ?? [1];
  if (labels?.length !== 1 || fewest === 1) return;
  throw new BidoraError("ONE_LABEL", `All training rows have the label ${labels[0]}: there must be two to tell apart.`);
}

function missingTask(): never {
  const known = Object.keys(TASKS).join(", ");
  throw new UsageError(`--task is missing: ${known}, or a data set such as glue/mrpc.`);
}
