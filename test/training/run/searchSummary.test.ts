import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import { SearchHistory } from "../../../src/training/run/history.js";

const folder = mkdtempSync(join(tmpdir(), "search-"));
afterAll(() => rmSync(folder, { recursive: true }));

const SETTINGS = { hypergradient: "exact", xi: "learning-rate" } as const;
const config = { ...SETTINGS, output: folder };
const start = { event: "start", versions: {}, machine: {}, settings: {}, parameters: {} };
const search = (step: number, loss: number) => ({ event: "step", phase: "search", step, loss, upperLoss: 2 * loss });
const retrain = (step: number) => ({ event: "step", phase: "retrain", step, loss: 9 });

function log(...events: readonly object[]): void {
  writeFileSync(join(folder, "events.jsonl"), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
}

async function summaryOf(events: readonly object[], from = 0, upper?: "decay") {
  const history = new SearchHistory({ ...config, upper }, from);
  for (const event of events) await history.on(event as RunEvent);
  return history.summary();
}

test("a search is summarized by the mean losses of its tenths", async () => {
  const steps = Array.from({ length: 25 }, (_, i) => search(i + 1, i));
  const summary = await summaryOf([start, ...steps, retrain(26), retrain(27)]);
  expect(summary).toMatchObject({ steps: 25, retrainSteps: 2, ...SETTINGS });
  expect(summary.loss).toEqual([0.5, 3, 5.5, 8, 10.5, 13, 15.5, 18, 20.5, 23]);
  expect(summary.upperLoss).toEqual(summary.loss.map((value) => 2 * value));
});

test("a search of weight decays names no estimator, as it has none", async () => {
  expect(Object.keys(await summaryOf([start, search(1, 1)], 0, "decay"))).toEqual(
    expect.not.arrayContaining(["hypergradient", "xi"]),
  );
});

test("steps of earlier sessions count once, also if they were repeated, and those after the checkpoint do not count", async () => {
  log(start, search(1, 1), search(2, 5), start, search(2, 2), search(3, 7));
  const summary = await summaryOf([start, search(3, 3), retrain(4)], 2);
  expect(summary).toMatchObject({ steps: 3, retrainSteps: 1, loss: [1, 2, 3], upperLoss: [2, 4, 6] });
});

test("a resumed run whose log was removed has a summary of its own steps", async () => {
  rmSync(join(folder, "events.jsonl"));
  expect(await summaryOf([start, search(3, 3)], 2)).toMatchObject({ steps: 1, loss: [3] });
});
