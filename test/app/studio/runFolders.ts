// Folders as runs and comparisons leave them.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MARKER } from "../../../src/base/records/names.js";

export const time = "2026-01-01T00:00:00.000Z";

export const started = {
  ...{ event: "start", time, versions: {}, machine: {}, settings: { method: "lora", model: "model" } },
  ...{ parameters: { total: 100, trained: 10 }, rows: { train: 4 }, steps: { train: 20 } },
  judgedBy: { metric: "accuracy", goal: "maximize" },
};

export const step = (at: number) => ({
  ...{ event: "step", time, phase: "train", step: at, loss: 1 / at, learningRate: 1e-3 },
  ...{ seconds: 0.5, rows: 4, tokens: 32 },
});

export const failed = (message: string, code = "NOT_FINITE") => ({ event: "error", time, code, message });

export const ended = (metrics: object, majority?: object) => ({
  ...{ event: "done", time, metrics, majority, seconds: 3, peakMemoryBytes: 1e6 },
});

/** Writes the folder of a run. @param metrics of a finished one */
export function writeRun(folder: string, events: readonly object[], metrics?: object): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, MARKER), "");
  if (events.length > 0)
    writeFileSync(join(folder, "events.jsonl"), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  if (metrics) writeFileSync(join(folder, "metrics.json"), JSON.stringify(metrics));
}
