/** Which task a trained model is for, and what its outputs mean: from the adapter, else from the checkpoint. */

import { anObject, BidoraError, checkArguments } from "../base/index.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/records/index.js";
import type { AdapterMetadata, SavedAdapter } from "../models/adapters/index.js";
import { type Architecture, ConfigReader, configError, findDesign, hasHead } from "../models/index.js";
import { isOfLanguageModel, type Task } from "./task.js";
import { isTaskKind, type NamedTask, namedTask, TASK_ENTRIES, TASKS, type TaskKind } from "./taskKinds.js";

/** A trained head: its task, and the names of its outputs. */
export interface TrainedHead {
  readonly kind: TaskKind;
  readonly labels: readonly string[];
}

/**
 * The head of a checkpoint, from `architectures`, `problem_type` and the labels; undefined for a bare backbone.
 * @throws BidoraError `CONFIG` for labels that are not numbered 0, 1, … or do not fit the problem type
 */
export function inferTask(config: JsonObject): TrainedHead | undefined {
  checkArguments("inferTask", ["config", config, anObject]);
  const classes = Array.isArray(config.architectures) ? config.architectures.map(String) : [];
  const possible = TASK_ENTRIES.filter(
    ([, { head }]) => !head.usual?.isBare && classes.some((name) => hasHead(name, head, config)),
  );
  if (possible.length === 0) return undefined;
  const [[only, { problem, outputs }]] = possible as [[TaskKind, Task]];
  if (!problem) return { kind: only, labels: outputs ?? labelsOf(config) };
  const labels = labelsOf(config);
  return { kind: kindOf(possible, config.problem_type ?? undefined, labels.length), labels };
}

function kindOf(possible: readonly [TaskKind, Task][], type: JsonValue | undefined, outputs: number): TaskKind {
  if (type === undefined) return assumedKind(possible, outputs);
  const named = possible.find(([, task]) => task.problem?.type === type);
  if (!named) {
    const known = [...new Set(possible.map(([, task]) => task.problem?.type))].join(", ");
    throw configError(`problem_type ${JSON.stringify(type)} is not known; expected one of ${known}.`);
  }
  const [kind, task] = named;
  if (takes(task, outputs)) return kind;
  const [fewest, most] = task.problem?.outputs ?? [];
  throw configError(
    `problem_type is "${type}", which needs ${fewest === most ? "" : "at least "}${fewest} output${fewest === 1 ? "" : "s"}, but there are ${outputs}.`,
  );
}

/** The most likely of tasks with the same kind of head. @param outputs their number, if known */
function assumedKind(possible: readonly [TaskKind, Task][], outputs: number | undefined): TaskKind {
  const assumed =
    outputs === undefined ? undefined : possible.find(([, task]) => task.problem?.isAssumed && takes(task, outputs));
  return (assumed ?? (possible[0] as [TaskKind, Task]))[0];
}

/** Whether a task can have this number of outputs. */
function takes({ problem }: Task, outputs: number): boolean {
  const [fewest, most] = problem?.outputs ?? [0, Number.POSITIVE_INFINITY];
  return fewest <= outputs && outputs <= most;
}

/** More outputs than any head has. */
const MOST_LABELS = 1_000_000;

/** The label names in the order of their ids; without any, `LABEL_0`, `LABEL_1`, … as many as `num_labels` says (2). */
function labelsOf(config: JsonObject): readonly string[] {
  const { id2label, label2id, num_labels: given } = config;
  const count = new ConfigReader(config).count("num_labels", 2);
  if (count > MOST_LABELS) throw configError(`num_labels is ${count}; expected at most ${MOST_LABELS}.`);
  const labels = isJsonObject(id2label)
    ? inOrder(Object.entries(id2label).map(([id, name]) => [idOf(id), String(name)]))
    : isJsonObject(label2id)
      ? inOrder(Object.entries(label2id).map(([name, id]) => [idOf(id), name]))
      : Array.from({ length: count }, (_, id) => `LABEL_${id}`);
  if (typeof given === "number" && given !== labels.length)
    throw configError(`num_labels is ${given}, but there are ${labels.length} label names.`);
  checkNames(labels, isJsonObject(label2id) ? label2id : {});
  return labels;
}

function idOf(value: JsonValue): number {
  return typeof value === "number" || (typeof value === "string" && /^\d+$/.test(value)) ? Number(value) : Number.NaN;
}

/** Each name must have one id, the same in both directions. Names that only `label2id` has are ignored. */
function checkNames(labels: readonly string[], label2id: JsonObject): void {
  const ids = new Map<string, number>();
  for (const [id, name] of labels.entries()) {
    const other = ids.get(name);
    if (other !== undefined) throw configError(`the label ${JSON.stringify(name)} has two ids, ${other} and ${id}.`);
    ids.set(name, id);
  }
  for (const [name, value] of Object.entries(label2id)) {
    const id = ids.get(name);
    if (id === undefined || id === idOf(value)) continue;
    throw configError(`the label ${JSON.stringify(name)} has id ${id} in id2label, but ${value} in label2id.`);
  }
}

function inOrder(labels: readonly (readonly [number, string])[]): readonly string[] {
  const sorted = labels.toSorted(([a], [b]) => a - b);
  if (sorted.length > 0 && sorted.every(([id], index) => id === index)) return sorted.map(([, name]) => name);
  const ids = sorted.map(([id]) => id).join(", ");
  throw configError(`labels must be numbered 0, 1, 2, …, but their ids are ${ids || "missing"}.`);
}

/** The task that a model is used for, and the names of its outputs. */
export interface ResolvedHead extends NamedTask {
  readonly labels: readonly string[];
}

/**
 * The head that a model is used with: the adapter's, else the checkpoint's.
 * @param metadata the bidora.json next to the adapter or checkpoint
 * @param wanted the task, if the user gives one
 * @throws BidoraError `HEAD` if neither has a trained head, or only for another task
 */
export function resolveHead(
  architecture: Architecture,
  config: JsonObject,
  { adapter, metadata }: { readonly adapter: SavedAdapter | undefined; readonly metadata: AdapterMetadata | undefined },
  wanted: NamedTask | undefined,
): ResolvedHead {
  const own = inferTask(config);
  const kept = wanted ? undefined : savedTask(metadata);
  if (adapter) return adapterHead(architecture, own, adapter, wanted ?? kept);
  if (own && (wanted === undefined || wanted.kind === own.kind)) return { ...namedTask(own.kind), labels: own.labels };
  const isTrainedFor = metadata?.task === undefined || metadata.task === wanted?.kind || metadata.task === own?.kind;
  if (own && isTrainedFor && hasHeadOf(own, wanted!)) return { ...wanted!, labels: wanted!.task.outputs ?? own.labels };
  if (wanted && metadata?.labels && metadata.task === wanted.kind) return { ...wanted, labels: metadata.labels };
  const used = wanted ?? kept;
  if (used && isPretrained(architecture, used)) return { ...used, labels: [] };
  throw new BidoraError(
    "HEAD",
    `The model has no trained head for ${wanted?.kind ?? "any task"}: give --adapter, or a model that was fine-tuned for it.`,
  );
}

function adapterHead(
  architecture: Architecture,
  own: TrainedHead | undefined,
  adapter: SavedAdapter,
  wanted: NamedTask | undefined,
): ResolvedHead {
  const outputs = outputsOf(architecture, adapter, wanted);
  const used = wanted ?? namedTask(kindOfOutputs(adapter, own, outputs));
  const { kind } = used;
  checkKind(adapter, used);
  checkOutputs(used, outputs);
  if (isPretrained(architecture, used)) return { ...used, labels: [] };
  const isOwn = own !== undefined && (own.kind === kind || hasHeadOf(own, used));
  const fits = isOwn && (outputs === undefined || own.labels.length === outputs);
  if (outputs === undefined && !fits)
    throw new BidoraError("HEAD", `Neither the model nor the adapter has a trained head for ${kind}.`);
  const labels = adapter.metadata?.labels ?? (fits ? own.labels : placeholders(outputs ?? own?.labels.length ?? 0));
  return { ...used, labels };
}

/** Whether a head for one task is one for another, which only reads its output otherwise: a number is a regression's value or a score. */
const hasHeadOf = (own: TrainedHead, { task }: NamedTask): boolean =>
  task.problem !== undefined &&
  (TASKS[own.kind] as Task).problem?.type === task.problem.type &&
  takes(task, own.labels.length);

/** Whether every checkpoint of the architecture has the head, without fine-tuning. */
function isPretrained(architecture: Architecture, { task }: NamedTask): boolean {
  return findDesign(architecture, task.head)?.isPretrained === true;
}

const placeholders = (count: number): string[] => Array.from({ length: count }, (_, id) => `LABEL_${id}`);

/** The task in the metadata. @throws BidoraError `HEAD` for an unknown one */
function savedTask(metadata: AdapterMetadata | undefined): NamedTask | undefined {
  if (metadata?.task === undefined) return undefined;
  if (isTaskKind(metadata.task)) return namedTask(metadata.task);
  throw new BidoraError(
    "HEAD",
    `The model was trained for the task ${metadata.task}, which this version does not know: update bidora, or pass a custom task of that name.`,
  );
}

const areOfLanguageModels = (task: Task, kind: string): boolean =>
  isOfLanguageModel(task) && isTaskKind(kind) && isOfLanguageModel(TASKS[kind]);

/** @throws BidoraError `HEAD` for an adapter that was trained for another task */
function checkKind({ metadata, taskType }: SavedAdapter, { kind, task }: NamedTask): void {
  const isKnown = TASK_ENTRIES.some(([, { peftTaskType }]) => peftTaskType === taskType);
  const own = metadata?.task ?? (isKnown && task.peftTaskType !== taskType ? taskType : undefined);
  if (own === undefined || own === kind || areOfLanguageModels(task, own)) return;
  throw new BidoraError(
    "HEAD",
    `The adapter's head is for ${own}, not for ${kind}: choose an adapter or a task that fits.`,
  );
}

/** @throws BidoraError `HEAD` for an adapter's head with a number of outputs that the task cannot have */
function checkOutputs({ kind, task }: NamedTask, outputs: number | undefined): void {
  if (outputs === undefined || takes(task, outputs)) return;
  throw new BidoraError(
    "HEAD",
    `The adapter's head has ${outputs} output${outputs === 1 ? "" : "s"}, which ${outputs === 1 ? "does" : "do"} not fit ${kind}: give another --task, or none.`,
  );
}

/** The task, if only PEFT's `task_type` and the number of outputs are known. */
function kindOfOutputs(
  { taskType }: SavedAdapter,
  own: TrainedHead | undefined,
  outputs: number | undefined,
): TaskKind {
  const ofType = TASK_ENTRIES.filter(([, { peftTaskType }]) => peftTaskType === taskType);
  const possible = ofType.length > 0 ? ofType : TASK_ENTRIES;
  const isLikeOwn = outputs === undefined || own?.labels.length === outputs;
  if (own && isLikeOwn && possible.some(([kind]) => kind === own.kind)) return own.kind;
  return assumedKind(possible, outputs);
}

/** The number of outputs of the adapter's head, or undefined if it has none. */
function outputsOf(
  architecture: Architecture,
  { tensors }: SavedAdapter,
  wanted: NamedTask | undefined,
): number | undefined {
  const tasks: readonly Task[] = [...Object.values(TASKS), ...(wanted ? [wanted.task] : [])];
  for (const { head } of tasks) {
    const design = findDesign(architecture, head);
    const weight = design && tensors.get(`${design.output}.weight`);
    if (weight) return weight.shape[0];
  }
  return undefined;
}
