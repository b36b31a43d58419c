import type { SavedAdapter, SideFacts } from "../adapters/index.js";
import { BidoraError } from "../common/errors.js";
import type { JsonObject } from "../io/json.js";
import { type Architecture, findDesign } from "../models/index.js";
import { assumedKind, inferTask, type TrainedHead, takes } from "./inferTask.js";
import { isTaskKind, TASK_ENTRIES, TASKS, type TaskKind } from "./registry.js";
import type { Task } from "./task.js";
import { type NamedTask, namedTask } from "./taskChoice.js";

/** What a model is used for, and what its outputs stand for. */
export interface UsedHead extends NamedTask {
  /** In the order of the outputs. */
  readonly labels: readonly string[];
}

/**
 * The head that a model is used with. It follows from the adapter, else from the checkpoint.
 * @param side what this program keeps beside the one of them
 * @param wanted the task, where the user names one
 * @throws BidoraError `HEAD` when neither has a trained one, or one for another task
 */
export function usedHead(
  architecture: Architecture,
  config: JsonObject,
  { adapter, side }: { readonly adapter: SavedAdapter | undefined; readonly side: SideFacts | undefined },
  wanted: NamedTask | undefined,
): UsedHead {
  const own = inferTask(config);
  const kept = wanted ? undefined : taskKept(side);
  if (adapter) return adapterHead(architecture, own, adapter, wanted ?? kept);
  if (own && (wanted === undefined || wanted.kind === own.kind)) return { ...namedTask(own.kind), labels: own.labels };
  if (wanted && side?.labels && side.task === wanted.kind) return { ...wanted, labels: side.labels };
  if (wanted && isPretrained(architecture, wanted)) return { ...wanted, labels: [] };
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
): UsedHead {
  const outputs = outputsOf(architecture, adapter, wanted);
  const used = wanted ?? namedTask(kindOf(adapter, own, outputs));
  const { kind } = used;
  checkKind(adapter, used);
  checkOutputs(used, outputs);
  if (isPretrained(architecture, used)) return { ...used, labels: [] };
  const fits = own?.kind === kind && (outputs === undefined || own.labels.length === outputs);
  if (outputs === undefined && !fits)
    throw new BidoraError("HEAD", `Neither the model nor the adapter has a trained head for ${kind}.`);
  const labels = adapter.side?.labels ?? (fits ? own.labels : standIns(outputs ?? own?.labels.length ?? 0));
  return { ...used, labels };
}

/** Every checkpoint has it: it need not have been trained for the task. */
function isPretrained(architecture: Architecture, { task }: NamedTask): boolean {
  return findDesign(architecture, task.head)?.isPretrained === true;
}

const standIns = (count: number): string[] => Array.from({ length: count }, (_, id) => `LABEL_${id}`);

/** The task that this program keeps beside what it trained. @throws BidoraError `HEAD` for one that it does not know */
function taskKept(side: SideFacts | undefined): NamedTask | undefined {
  if (side?.task === undefined) return undefined;
  if (isTaskKind(side.task)) return namedTask(side.task);
  throw new BidoraError(
    "HEAD",
    `What was trained is for the task ${side.task}, which this version does not know: update it, or give that task as a value.`,
  );
}

/** @throws BidoraError `HEAD` for an adapter that says itself that it is for another kind of task */
function checkKind({ side, taskType }: SavedAdapter, { kind, task }: NamedTask): void {
  const isKnown = TASK_ENTRIES.some(([, { peftTaskType }]) => peftTaskType === taskType);
  const own = side?.task ?? (isKnown && task.peftTaskType !== taskType ? taskType : undefined);
  if (own === undefined || own === kind) return;
  throw new BidoraError("HEAD", `The adapter's head is for ${own}, not for ${kind}: name that --task, or none.`);
}

/** @throws BidoraError `HEAD` for an adapter's head with fewer outputs than the task has, or more */
function checkOutputs({ kind, task }: NamedTask, outputs: number | undefined): void {
  if (outputs === undefined || takes(task, outputs)) return;
  throw new BidoraError(
    "HEAD",
    `The adapter's head has ${outputs} output${outputs === 1 ? "" : "s"}, which ${outputs === 1 ? "does" : "do"} not go with ${kind}: name another --task, or none.`,
  );
}

/** Where only PEFT's `task_type` and the number of outputs are known. */
function kindOf({ taskType }: SavedAdapter, own: TrainedHead | undefined, outputs: number | undefined): TaskKind {
  const ofType = TASK_ENTRIES.filter(([, { peftTaskType }]) => peftTaskType === taskType);
  const possible = ofType.length > 0 ? ofType : TASK_ENTRIES;
  const isLikeOwn = outputs === undefined || own?.labels.length === outputs;
  if (own && isLikeOwn && possible.some(([kind]) => kind === own.kind)) return own.kind;
  return assumedKind(possible, outputs);
}

/** Outputs of the head that the adapter brings, or undefined when it brings none. */
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
