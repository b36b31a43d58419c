import { yaml } from "../../base/index.js";
import type { RowCounts, RowRecord } from "../../base/records/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import {
  type AdaptedModel,
  newLayers,
  settingsOfAdapter,
  startFromError,
  type TrainedTensor,
} from "../../models/adapters/index.js";
import {
  type LoadedModel,
  loadFolder,
  type MatrixFormats,
  matrixFormats,
  type OwnWeights,
  withOriginalWeights,
} from "../../models/index.js";
import { DenseWeight } from "../../models/nn/index.js";
import { METHODS, type RunConfig, type RunSettings, withFound } from "../../tasks/config/index.js";
import type { Dataset, Sources } from "../../tasks/data/index.js";
import {
  type EncodedSplits,
  encodeSplits,
  outputNames,
  type Splits,
  type TaskChoice,
} from "../../tasks/datasets/index.js";
import { requireTextScores } from "../../tasks/index.js";
import type { Tokenizer } from "../../text/index.js";
import { memoryOf } from "../../torch/devices/index.js";
import {
  ALONE,
  checkThreads,
  computeDtype,
  Generator,
  type Ranks,
  resolveDevice,
  setThreads,
} from "../../torch/index.js";
import { whileLoading } from "../../torch/native/index.js";
import { noteOnBase } from "../../use/inference/index.js";
import { stopsBy } from "../loop/earlyStopping.js";
import { levelsOf, type TwoLevels } from "../loop/levels.js";
import type { PhasePlan } from "../loop/loop.js";
import { ReplayableMasks } from "../loop/masks.js";
import { planPhases, type TrainingSetup } from "../loop/plans.js";
import { checkHeadRate } from "../loop/rates.js";
import { SourceWeights } from "../steps/sourceWeights.js";
import { StartOutputs } from "../steps/startOutputs.js";
import { type Snapshot, takeSnapshot } from "../steps/trainedTensors.js";
import { adapt } from "./adapt.js";
import { MemoryNeed, noteNeed } from "./memoryNeed.js";
import { nestedNotes } from "./nestedNotes.js";
import { noteHead, noteRowsWithoutLoss, withoutLeftOut } from "./prepareNotes.js";
import { checkEvaluationRows, checkOneMetric, type RunStart, readRunData } from "./runInputs.js";
import { checkSharedRows, recordOf, rowKeysOf } from "./sharedRows.js";

/** The dtype of trained tensors. */
const TRAINED_DTYPE = "float32";

/** Everything that a run needs, loaded and checked. */
export interface Prepared {
  readonly config: RunConfig;
  readonly folder: string;
  /** The folder of the adapter that the run starts from, if there is one. */
  readonly adapterFolder: string | undefined;
  readonly choice: TaskChoice;
  /** The names of the outputs, in order. */
  readonly labels: readonly string[];
  /** The id of the positive label, for binary F1. */
  readonly positive: number | undefined;
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  readonly data: EncodedSplits;
  /** The groups of the training rows, of which none is split between the levels of a search. */
  readonly groups: Splits["groups"];
  /** The sources of the training rows, if an upper level weights them. */
  readonly sources: Sources | undefined;
  /** The examples to generate texts from, if the task is evaluated by texts. */
  readonly texts: Pick<Splits, "validation" | "test"> | undefined;
  /** The number of rows of each file, before long ones are split. */
  readonly rows: RowCounts;
  /** A sample of the rows, by which other runs on some of them are found. */
  readonly rowRecord: RowRecord;
  readonly loaded: LoadedModel;
  /** How the matrices of the loaded model are held. */
  readonly baseFormats: MatrixFormats;
  readonly adapted: AdaptedModel;
  /** What each level trains; undefined for one level. */
  readonly levels: TwoLevels | undefined;
  /** All trained tensors: those of the model and its adapter, and those of an upper level. */
  readonly trained: readonly TrainedTensor[];
  readonly start: Snapshot;
  readonly generator: Generator;
  /** The processes that train together; each prepares everything. */
  readonly ranks: Ranks;
}

/** The checkpoint's weights, with the initial values of those that are trained. */
export function checkpointWeights({ folder, loaded, adapted, start }: Prepared): OwnWeights {
  const starts = new Map(adapted.trained.map(({ parameter, name }) => [parameter, start.get(name)]));
  const weights = Array.from(loaded.model.baseParameters(), ([path, parameter]) => {
    const before = starts.get(parameter);
    return [path, before ? new DenseWeight(before) : parameter.values] as const;
  });
  return { folder, weights };
}

/**
 * Loads model, data and adapter in the order in which they depend on each other.
 * @param ranks the processes that train together
 * @param precision the dtype of everything, for checks; by default the computation has the run's dtype, and trained tensors are float32
 */
export async function prepare(
  { config, saved, adapterFolder, task }: RunStart,
  context: HubContext = {},
  precision?: "float32" | "float64",
  ranks: Ranks = ALONE,
): Promise<Prepared> {
  checkMachine(config, ranks);
  const read = await readChecked({ config, saved, adapterFolder, task }, context, ranks.size);
  const { folder, choice, own, splits, sources, tokenizer, labels, names, positive, model, maxLength, keys, notes } =
    read;
  const head = { head: choice.task.head, outputs: names.length };
  // The tokenizer works in separate threads, also while libtorch is still being loaded in another one.
  const encoding = encodeSplits(choice.task, splits, tokenizer, { labels, maxLength, trainOn: config.trainOn, model });
  const [encoded, { loaded, available, generator }] = await Promise.all([
    encoding,
    meanwhile(encoding).then(() => loadBase({ config, folder, head, precision, ranks })),
  ]);
  const data = withoutLeftOut(choice.task, encoded, context);
  noteRowsWithoutLoss(choice.task, data, context);
  for (const note of notes) context.onNote?.(note);
  const baseFormats = matrixFormats(loaded.model);
  const baseNote = noteOnBase(saved, baseFormats);
  if (baseNote !== undefined) context.onNote?.(baseNote);
  const ofTask = { rows: data.train, groups: splits.groups, upperRows: data.upper, task: choice.task, ranks };
  const adapted = adapt(loaded, config, saved, { generator, dtype: precision ?? TRAINED_DTYPE }, ofTask, context);
  if (config.initLoraWeights === "loftq" && !saved)
    withOriginalWeights(folder, loaded, (originals) => startFromError(adapted, originals, ranks));
  const { headModules } = loaded.model;
  checkHeadRate(config, { adapted, headModules });
  const sourceWeights = sources && new SourceWeights(sources, precision ?? TRAINED_DTYPE, loaded.model.device);
  const levels = levelsOf(config, { adapted, headModules, sourceWeights, weightDecay: config.weightDecay });
  const trained = [...adapted.trained, ...(levels?.own ?? [])];
  noteNeed(new MemoryNeed({ config, loaded, adapted, data }), config, available, context);
  noteHead(saved ? newLayers(loaded, saved.config) : loaded.initialized, own, context);
  return {
    ...{ folder, adapterFolder, choice, tokenizer, maxLength, data, loaded, baseFormats, adapted, generator, ranks },
    ...{ levels, trained, sources },
    config: withFound(
      config,
      foundIn(config, { choice, splits, maxLength, adapted, positiveLabel: names[positive ?? -1] }),
    ),
    labels: names,
    positive,
    texts: choice.texts ? { validation: splits.validation, test: splits.test } : undefined,
    groups: splits.groups,
    rows: rowsOf(splits),
    rowRecord: recordOf(keys),
    start: takeSnapshot(trained),
  };
}

/** Refuses threads and a device that are not there before a model is fetched. The best device that is there needs no check. */
function checkMachine({ threads, device }: RunConfig, { size, localRank }: Ranks): void {
  if (threads !== undefined) checkThreads(threads);
  if (device !== "auto" || size > 1) resolveDevice(device, localRank);
}

/** What is done before the first call of libtorch. */
async function meanwhile(encoding: Promise<unknown>): Promise<void> {
  yaml(); // for run.yaml, which is written when the first step has been made
  await whileLoading(encoding);
}

interface BaseModel {
  readonly config: RunConfig;
  readonly folder: string;
  readonly head: { readonly head: TaskChoice["task"]["head"]; readonly outputs: number };
  readonly precision: "float32" | "float64" | undefined;
  readonly ranks: Ranks;
}

/** Loads the model with the run's generator, and measures the memory that is free before. */
async function loadBase({ config, folder, head, precision, ranks }: BaseModel) {
  if (config.threads !== undefined) setThreads(config.threads);
  const device = resolveDevice(config.device, ranks.localRank);
  const available = memoryOf(device).free();
  const generator = new Generator(config.seed);
  const { initWeights } = config;
  const held = { ...dtypesOf(config, device, precision), ...head, generator, initWeights, device };
  const sharing = METHODS[config.method].adapter === undefined ? ALONE : ranks;
  const loaded = await loadFolder(folder, { ...held, availableBytes: available }, sharing);
  return { loaded, available, generator };
}

/** Reads and checks what is known before the weights. */
async function readChecked(start: RunStart, context: HubContext, ranks: number) {
  const { config } = start;
  const read = await readRunData(start, context, ranks);
  const { choice, splits } = read;
  if (choice.texts) requireTextScores();
  checkEvaluationRows(config, splits);
  checkOneMetric(choice.task, splits);
  const keys = rowKeysOf(splits);
  const nested = context.onNote ? nestedNotes(splits, config, choice.task) : [];
  const notes = [...checkSharedRows(keys, config, choice), ...nested];
  const names = outputNames(choice.task, read.labels);
  stopsBy(config, { choice, labels: names });
  return { ...read, keys, notes, names };
}

/** How the model's values are held: for full training, with masters that the optimizer updates. */
function dtypesOf(
  { dtype, baseDtype, method }: RunConfig,
  device: string,
  precision: "float32" | "float64" | undefined,
) {
  return {
    dtype: precision ?? computeDtype(dtype, device),
    baseDtype,
    ...(METHODS[method].adapter === undefined && { masterDtype: precision ?? TRAINED_DTYPE }),
  };
}

/** The settings that are derived from the files of model, data and adapter. */
function foundIn(
  { dtype }: RunConfig,
  found: {
    readonly choice: TaskChoice;
    readonly splits: Splits;
    readonly maxLength: number;
    readonly positiveLabel: string | undefined;
    readonly adapted: AdaptedModel;
  },
): RunSettings {
  const { choice, splits, maxLength, positiveLabel, adapted } = found;
  const { text, label } = commonColumns(splits);
  const { targetModules } = adapted.config ? settingsOfAdapter(adapted.config) : {};
  return {
    // A library user's own task has no name that the flag accepts, but the run's files should name it.
    task: (choice.dataset ?? choice.kind) as RunSettings["task"],
    textColumns: text,
    labelColumn: label,
    ...(choice.dataset === undefined && positiveLabel !== undefined && { positiveLabel }),
    maxLength,
    dtype: computeDtype(dtype, adapted.model.device),
    ...(targetModules && { targetModules }),
  } as RunSettings;
}

function rowsOf({ train, upper, validation, test }: Splits): RowCounts {
  return {
    train: train.examples.length,
    ...(upper && { upper: upper.examples.length }),
    ...(validation && { validation: validation.examples.length }),
    ...(test && { test: test.examples.length }),
  };
}

/** The columns of all files; none if they differ between files. */
function commonColumns({ train, validation, test }: Splits): NonNullable<Dataset["columns"]> | Record<string, never> {
  const each = [train, validation, test].flatMap((split) => (split ? [split.columns] : []));
  const isCommon = each.every((columns) => JSON.stringify(columns) === JSON.stringify(each[0]));
  return (isCommon && each[0]) || {};
}

/** Of a task that compares with the model before training. */
function startOutputsOf({ choice, loaded, trained, start, data }: Prepared): StartOutputs | undefined {
  if (!choice.task.comparesWithStart) return undefined;
  return new StartOutputs(choice.task, loaded.model, trained, start, [...data.train, ...(data.upper ?? [])]);
}

/** The inputs of the training phases. */
export function setupOf(prepared: Prepared): TrainingSetup {
  const { adapted, levels, data, groups, choice, loaded, generator, start, config, ranks } = prepared;
  const { task } = choice;
  const masks = new ReplayableMasks(generator, { gradientCheckpointing: config.gradientCheckpointing });
  return {
    model: loaded.model,
    adapted,
    levels,
    rows: data.train,
    groups,
    upperRows: data.upper,
    task,
    masks,
    start,
    startOutputs: startOutputsOf(prepared),
    ranks,
  };
}

/** The phases of a run. */
export function plansOf(prepared: Prepared): PhasePlan[] {
  return planPhases(setupOf(prepared), prepared.config);
}
