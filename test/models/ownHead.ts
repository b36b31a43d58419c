import type { JsonObject } from "../../src/files/json.js";
import type { LoadOptions } from "../../src/models/index.js";
import { inferTask, TASKS, type TaskKind } from "../../src/tasks/index.js";

/** The head kind for a checkpoint's own class. */
export function ownHead(config: JsonObject): Pick<LoadOptions, "head" | "outputs"> {
  const found = inferTask(config);
  if (!found) throw new Error("the checkpoint has no head");
  return headFor(found.kind, found.labels.length);
}

export function headFor(kind: TaskKind, outputs: number): Pick<LoadOptions, "head" | "outputs"> {
  return { head: TASKS[kind].head, outputs };
}
