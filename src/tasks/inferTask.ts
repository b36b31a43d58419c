import { anObject, checkArguments } from "../common/arguments.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../io/json.js";
import { ConfigReader, configError, hasHead } from "../models/index.js";
import { TASK_ENTRIES, type TaskKind } from "./registry.js";
import type { Task } from "./task.js";

/** A head that was trained: for which task, and what its outputs stand for. */
export interface TrainedHead {
  readonly kind: TaskKind;
  readonly labels: readonly string[];
}

/**
 * The head that a checkpoint was saved with, read from `architectures`, `problem_type` and its labels; undefined for a
 * bare backbone.
 * @throws BidoraError `CONFIG` for labels that do not number 0, 1, … or do not suit the problem type
 */
export function inferTask(config: JsonObject): TrainedHead | undefined {
  checkArguments("inferTask", ["config", config, anObject]);
  const classes = Array.isArray(config.architectures) ? config.architectures.map(String) : [];
  const possible = TASK_ENTRIES.filter(([, { head }]) => classes.some((name) => hasHead(name, head, config)));
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
    const known = possible.map(([, task]) => task.problem?.type).join(", ");
    throw configError(`problem_type ${JSON.stringify(type)} is not known; expected one of ${known}.`);
  }
  const [kind, task] = named;
  if (takes(task, outputs)) return kind;
  const [fewest, most] = task.problem?.outputs ?? [];
  throw configError(
    `problem_type is "${type}", which goes with ${fewest === most ? "" : "at least "}${fewest} output${fewest === 1 ? "" : "s"}, but there are ${outputs}.`,
  );
}

/** Of tasks with one kind of head that which is meant where nothing says so. @param outputs where they are known */
export function assumedKind(possible: readonly [TaskKind, Task][], outputs: number | undefined): TaskKind {
  const assumed =
    outputs === undefined ? undefined : possible.find(([, task]) => task.problem?.isAssumed && takes(task, outputs));
  return (assumed ?? (possible[0] as [TaskKind, Task]))[0];
}

/** Whether a task can have so many outputs. */
export function takes({ problem }: Task, outputs: number): boolean {
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

/** Each name must stand for one id, and for the same one in both directions. Names that only `label2id` has are passed over. */
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
