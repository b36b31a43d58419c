import type { SavedAdapter } from "../adapters/index.js";
import { BidoraError } from "../common/errors.js";
import type { JsonObject } from "../io/json.js";
import { type Architecture, designOf } from "../models/index.js";
import { inferTask, type TrainedHead } from "./inferTask.js";
import { isTaskKind, TASKS, type TaskKind } from "./registry.js";
import type { Task } from "./task.js";

const KINDS = Object.entries(TASKS) as [TaskKind, Task][];

/**
 * The head that a model is used with. It follows from the adapter, else from the checkpoint.
 * @param kind of task, where the user names one
 * @throws BidoraError `HEAD` when neither has a trained one, or one for another task
 */
export function usedHead(
  architecture: Architecture,
  config: JsonObject,
  adapter: SavedAdapter | undefined,
  kind: TaskKind | undefined,
): TrainedHead {
  const own = inferTask(config);
  if (adapter) return adapterHead(architecture, own, adapter, kind);
  if (own && (kind === undefined || kind === own.kind)) return own;
  throw new BidoraError(
    "HEAD",
    `The model has no trained head for ${kind ?? "any task"}: give --adapter, or a model that was fine-tuned for it.`,
  );
}

function adapterHead(
  architecture: Architecture,
  own: TrainedHead | undefined,
  adapter: SavedAdapter,
  wanted: TaskKind | undefined,
): TrainedHead {
  const outputs = outputsOf(architecture, adapter);
  const kind = wanted ?? taskKept(adapter) ?? kindOf(adapter, own, outputs);
  checkKind(adapter, kind);
  const fits = own?.kind === kind && (outputs === undefined || own.labels.length === outputs);
  if (outputs === undefined && !fits)
    throw new BidoraError("HEAD", `Neither the model nor the adapter has a trained head for ${kind}.`);
  const labels = adapter.side?.labels ?? (fits ? own.labels : standIns(outputs ?? own?.labels.length ?? 0));
  return { kind, labels: TASKS[kind].problem?.outputs[1] === 1 ? labels.slice(0, 1) : labels };
}

const standIns = (count: number): string[] => Array.from({ length: count }, (_, id) => `LABEL_${id}`);

/** The task that this program keeps beside what it trained. @throws BidoraError `HEAD` for one that it does not know */
function taskKept({ side }: SavedAdapter): TaskKind | undefined {
  if (side?.task === undefined || isTaskKind(side.task)) return side?.task;
  throw new BidoraError(
    "HEAD",
    `The adapter is for the task ${side.task}, which this version does not know: update it.`,
  );
}

/** @throws BidoraError `HEAD` for an adapter that says itself that it is for another kind of task */
function checkKind({ side, taskType }: SavedAdapter, kind: TaskKind): void {
  const isKnown = KINDS.some(([, { peftTaskType }]) => peftTaskType === taskType);
  const own = side?.task ?? (isKnown && TASKS[kind].peftTaskType !== taskType ? taskType : undefined);
  if (own === undefined || own === kind) return;
  throw new BidoraError("HEAD", `The adapter's head is for ${own}, not for ${kind}: name that --task, or none.`);
}

/** Where only PEFT's `task_type` and the number of outputs are known. */
function kindOf({ taskType }: SavedAdapter, own: TrainedHead | undefined, outputs: number | undefined): TaskKind {
  const ofType = KINDS.filter(([, { peftTaskType }]) => peftTaskType === taskType);
  const possible = ofType.length > 0 ? ofType : KINDS;
  const isLikeOwn = outputs === undefined || own?.labels.length === outputs;
  if (own && isLikeOwn && possible.some(([kind]) => kind === own.kind)) return own.kind;
  const assumed = possible.find(([, { problem }]) => problem?.isAssumed && spans(problem, outputs));
  return (assumed ?? (possible[0] as [TaskKind, Task]))[0];
}

function spans({ outputs: [fewest, most] }: NonNullable<Task["problem"]>, outputs: number | undefined): boolean {
  return outputs !== undefined && fewest <= outputs && outputs <= most;
}

/** Outputs of the head that the adapter brings, or undefined when it brings none. */
function outputsOf(architecture: Architecture, { tensors }: SavedAdapter): number | undefined {
  for (const [, { head }] of KINDS) {
    const weight = tensors.get(`${designOf(architecture, head).output}.weight`);
    if (weight) return weight.shape[0];
  }
  return undefined;
}
