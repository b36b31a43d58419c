import type { JsonObject } from "../../src/base/records/json.js";
import type { LoadModelOptions } from "../../src/models/index.js";
import { inferTask, TASKS, type TaskKind } from "../../src/tasks/index.js";

/** The head kind for a checkpoint's own class. */
export function ownHead(config: JsonObject): Pick<LoadModelOptions, "head" | "outputs"> {
  const found = inferTask(config);
  if (!found) throw new Error("the checkpoint has no head");
  return headFor(found.kind, found.labels.length);
}

export function headFor(kind: TaskKind, outputs: number): Pick<LoadModelOptions, "head" | "outputs"> {
  return { head: TASKS[kind].head, outputs };
}
