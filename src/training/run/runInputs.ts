import { existsSync, realpathSync } from "node:fs";
import { BidoraError, UsageError } from "../../base/index.js";
import { flagOf } from "../../base/settings/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import { modelFolder, readConfig } from "../../formats/index.js";
import { type AdapterMetadata, findAdapterMetadata, methodOf, type SavedAdapter } from "../../models/adapters/index.js";
import { architectureOf, type ModelConfig } from "../../models/index.js";
import {
  type AskedRun,
  type Method,
  methodsOf,
  modelIsMissing,
  type RunConfig,
  type RunKey,
  type RunSettings,
  refuseContradictions,
  refuseUnused,
  refuseUnusedForTask,
  saidBy,
  settle,
} from "../../tasks/config/index.js";
import { type Dataset, type LabelMap, readSources, type Sources } from "../../tasks/data/index.js";
import {
  chosenTask,
  labelsFor,
  positiveOf,
  readSplits,
  type Splits,
  type TaskChoice,
  taskOf,
  trainedColumns,
  withSubsets,
} from "../../tasks/datasets/index.js";
import {
  configuredTask,
  inferTask,
  maxLengthOf,
  type NamedTask,
  type Task,
  type TrainedHead,
  takesChats,
} from "../../tasks/index.js";
import { loadTokenizer, type Tokenizer } from "../../text/index.js";
import { baseDtypeFor, findAdapter, isReranker, trainedTemplate } from "../../use/inference/index.js";
import { taskOfRows } from "./taskOfRows.js";

/** What a run reads before the weights. */
export interface RunData {
  readonly folder: string;
  readonly choice: TaskChoice;
  /** The head that the checkpoint was trained with, if it has one. */
  readonly own: TrainedHead | undefined;
  readonly splits: Splits;
  /** The sources of the training rows, if an upper level weights them. */
  readonly sources: Sources | undefined;
  readonly tokenizer: Tokenizer;
  readonly labels: LabelMap | undefined;
  /** The id of the positive label, for binary F1. */
  readonly positive: number | undefined;
  readonly model: ModelConfig;
  readonly maxLength: number;
}

/**
 * Finds the model, determines the task, and reads rows and tokenizer.
 * @param ranks the number of processes that train together
 */
export async function readRunData(
  { config, saved, task }: RunStart,
  context?: HubContext,
  ranks = 1,
): Promise<RunData> {
  const folder = await baseFolder(config, context);
  const checkpointConfig = readConfig(folder);
  const architecture = architectureOf(checkpointConfig);
  const own = inferTask(checkpointConfig);
  const ownKind = isReranker(folder) ? "reranking" : own?.kind;
  const asked =
    chosenTask(config.task, task) ??
    taskOf(saved?.metadata?.task ?? ownKind ?? (await taskOfRows(config.train, context)));
  refuseUnusedForTask(config, asked.kind);
  const splits = await readSplits(asked, {
    ...config,
    ...trainedColumns(saved ? saved.metadata : findAdapterMetadata(folder)),
    onNote: context?.onNote,
  });
  const used = withSubsets(splits, config, asked.task);
  const { train, sourceColumn } = config;
  refuseSameRows(config);
  if (sourceColumn !== undefined && train === undefined)
    throw new UsageError("--source-column needs --train: a named data set's own files have no such column.");
  const sources = sourceColumn === undefined ? undefined : await readSources(train!, sourceColumn);
  const { chatTemplate } = config;
  if (config.given.chatTemplate !== undefined && !takesChats(asked.task))
    throw new UsageError(
      `No effect: --chat-template is for language models, and the task is ${asked.kind}; leave it out.`,
    );
  const tokenizer = await loadTokenizer(folder, { chatTemplate });
  const model = architecture.parseConfig(checkpointConfig);
  const { batchSize, gradientAccumulation, pooling = saved?.metadata?.pooling } = config;
  const stepSize = batchSize * ranks * gradientAccumulation;
  const settings = { ...config, batchSize: batchSize * ranks, stepSize, pooling };
  const choice = configuredTask(asked, {
    ...{ folder, width: model.hiddenSize, settings },
    examples: used.train.examples,
    upper: used.upper?.examples,
    evaluated: evaluatedExamples(used),
  });
  refuseDropout(config, choice);
  const labels = labelsFor(choice, splits, labelsOfKind(choice.kind, saved?.metadata, own));
  checkCount(choice.task, labels?.names);
  const examples = [...splits.train.examples, ...(splits.upper?.examples ?? [])];
  const positive = positiveOf(choice, labels, { asked: config.positiveLabel, examples });
  const isGiven = "maxLength" in config.given;
  const wanted = isGiven ? config.maxLength : (choice.task.maxLength ?? config.maxLength);
  const limits = { tokenizer, modelTokens: model.maxTokens, folderLength: choice.task.maxLength };
  const maxLength = maxLengthOf(wanted, isGiven, limits);
  // The labels come from all rows, even if only some are trained on.
  return { folder, choice, own, splits: used, sources, tokenizer, labels, positive, model, maxLength };
}

/** All examples that a run is evaluated on; undefined for none. */
function evaluatedExamples({ validation, test, holdout }: Splits): Dataset["examples"] | undefined {
  const found = [validation, test, holdout].flatMap((split) => split?.examples ?? []);
  return found.length > 0 ? found : undefined;
}

/** @throws UsageError for one file on both levels, whose rows the upper level would not measure on rows that are held out */
function refuseSameRows({ train, upperTrain }: Pick<RunConfig, "train" | "upperTrain">): void {
  const isFile = (path: string | undefined): path is string => path !== undefined && existsSync(path);
  if (isFile(train) && isFile(upperTrain) && realpathSync(train) === realpathSync(upperTrain))
    throw new UsageError(
      `--train and --upper-train are the same file, ${train}: give the upper level rows of its own, or leave --upper-train out.`,
    );
}

/** @throws UsageError for a dropout that has no effect */
function refuseDropout({ given }: RunConfig, { kind, task }: NamedTask): void {
  if (!task.trainsWithoutDropout || !given.dropout) return;
  throw new UsageError(
    `No effect: --dropout ${given.dropout} is not applied with --task ${kind}, whose losses compare passes without dropout; leave it out.`,
  );
}

/** The model's folder. @throws as `resolveModel`, saying who names the model if it is not the user */
export async function baseFolder(
  { model, revision, given, sources }: Pick<RunConfig, "model" | "revision" | "given" | "sources">,
  context?: HubContext,
): Promise<string> {
  try {
    return await modelFolder(model, context, revision);
  } catch (cause) {
    if (given.model !== undefined || sources.adapter?.model === undefined || !(cause instanceof BidoraError))
      throw cause;
    const message = `${cause.message.replace(/\.$/, "")} (the adapter's base model): say by --model where it is.`;
    throw new BidoraError(cause.code, message, { cause });
  }
}

/** The labels of the adapter's or the checkpoint's head if it has this task; those of another task mean something else. */
function labelsOfKind(
  kind: string,
  metadata: AdapterMetadata | undefined,
  own: TrainedHead | undefined,
): readonly string[] | undefined {
  if (metadata?.labels && (metadata.task === undefined || metadata.task === kind)) return metadata.labels;
  return own?.kind === kind ? own.labels : undefined;
}

/** @throws BidoraError `ONE_LABEL` if there is only one label to predict */
export function checkCount(task: Task, labels: readonly string[] | undefined): void {
  const [fewest] = task.problem?.outputs ?? [1];
  if (labels?.length !== 1 || fewest === 1) return;
  throw new BidoraError(
    "ONE_LABEL",
    `All training rows have the label ${labels[0]}: classification needs at least two.`,
  );
}

/** @throws UsageError if there are no rows to evaluate on during training */
export function checkEvaluationRows(
  { evalEvery, earlyStopping, evalOnStart }: Pick<RunConfig, "evalEvery" | "earlyStopping" | "evalOnStart">,
  { validation, test, holdout }: Pick<Splits, "validation" | "test" | "holdout">,
): void {
  if (evalOnStart && !validation && !test)
    throw new UsageError("--eval-on-start needs rows to evaluate on: name them by --validation or --test.");
  const watched = holdout ?? validation;
  if (earlyStopping !== undefined && (evalEvery === undefined || !watched))
    throw new UsageError("--early-stopping needs --eval-every, and validation rows or --holdout-fraction.");
  if (evalEvery !== undefined && !watched)
    throw new UsageError(
      "--eval-every needs rows to evaluate on: name them by --validation, or give --holdout-fraction.",
    );
}

/** @throws UsageError if no metric applies to all rows that a run is evaluated on */
export const checkOneMetric = (
  task: Pick<Task, "contrastive">,
  { validation, test, holdout }: Pick<Splits, "validation" | "test" | "holdout">,
): void =>
  task.contrastive?.checkEvaluated({
    validation: validation?.examples,
    test: test?.examples,
    holdout: holdout?.examples,
  });

/** A run's settings before model and data are read, and the adapter that it starts from. */
export interface RunStart {
  readonly config: RunConfig;
  readonly saved: SavedAdapter | undefined;
  readonly adapterFolder: string | undefined;
  /** A task of the caller's own, instead of a named one. */
  readonly task?: NamedTask | undefined;
  /** The names of the launches that the run's processes belong to. */
  readonly launches?: readonly string[];
}

/** The paths that a run reads. */
export function inputsOf({ model, adapter, data, train, upperTrain, validation, test }: RunConfig): string[] {
  return [model, adapter, data, train, upperTrain, validation, test].filter((path) => path !== undefined);
}

/**
 * Settles a run: reads the adapter to start from, if one is named, which decides all that the user did not set.
 * @param except settings that have an effect anyway
 * @throws UsageError for settings without effect, that exclude each other, or that contradict the adapter
 */
export async function startOf(
  asked: AskedRun,
  context?: HubContext,
  except: readonly RunKey[] | "all" = [],
): Promise<RunStart> {
  const said = saidBy(asked);
  // Before an adapter is downloaded.
  if (said.adapter !== undefined) refuseContradictions(said);
  const found = await findAdapter(said.adapter, context);
  const { adapter: saved, adapterFolder } = found;
  const chatTemplate = trainedTemplate(found);
  const own = saved && { ...adapterSettings(said, saved), ...(chatTemplate && { chatTemplate }) };
  const config = settle(own ? { ...asked, adapter: own } : asked);
  if (except !== "all") refuseUnused(config.given, config, except);
  return { config, saved, adapterFolder };
}

/** What an adapter says about a run that starts from it. @throws UsageError if a setting of the user contradicts it, naming both values */
function adapterSettings(said: RunSettings, saved: SavedAdapter): RunSettings {
  const { config: own, metadata } = saved;
  const adapter = methodOf(own);
  const settings: RunSettings = { ...adapter.toSettings(own), ...startSettings(saved) };
  const base = said.model === undefined ? baseSettings(saved) : {};
  for (const key of Object.keys(settings) as RunKey[]) {
    if (key in said && !adapter.retunable.includes(key) && !isSame(said[key], settings[key]))
      throw conflict(key, said[key], settings[key]);
  }
  const possible = methodsOf(own.method);
  const method = possible.find((name) => name === metadata?.method) ?? (own.method as Method);
  if (said.method !== undefined && !possible.includes(said.method)) throw conflict("method", said.method, method);
  return { ...settings, ...base, method };
}

/** The base model that an adapter names. The revision belongs to a repository. */
function baseSettings({ baseModel: model, revision }: SavedAdapter): RunSettings {
  if (model === undefined) throw modelIsMissing(", and the adapter does not name its base model");
  return { model, ...(revision !== undefined && !existsSync(model) && { revision }) };
}

/** How an adapter's low-rank updates started, if it has any, and the base's format, if they make up for its rounding. */
function startSettings(saved: SavedAdapter): RunSettings {
  const { initLoraWeights } = saved.metadata ?? {};
  const baseDtype = baseDtypeFor(saved, undefined);
  return {
    ...(initLoraWeights && { initLoraWeights }),
    ...(baseDtype && { baseDtype }),
  };
}

function conflict(key: RunKey, given: unknown, own: unknown): UsageError {
  return new UsageError(
    `${flagOf(key)} ${show(given)} contradicts the adapter to start from, which has ${show(own)}: leave the flag out.`,
  );
}

const show = (value: unknown): string =>
  typeof value === "string" ? value : Array.isArray(value) ? value.join(",") : JSON.stringify(value);

function isSame(a: unknown, b: unknown): boolean {
  const normal = (value: unknown) => JSON.stringify(Array.isArray(value) ? [...value].sort() : value);
  return normal(a) === normal(b);
}
