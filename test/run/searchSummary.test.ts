import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { searchSummary } from "../../src/run/artifacts.js";

const folder = mkdtempSync(join(tmpdir(), "search-"));
afterAll(() => rmSync(folder, { recursive: true }));

const SETTINGS = { hypergradient: "exact", xi: "learning-rate" } as const;
const start = { event: "start", versions: {}, machine: {}, settings: {}, parameters: {} };
const search = (step: number, loss: number) => ({ event: "step", phase: "search", step, loss, upperLoss: 2 * loss });
const retrain = (step: number) => ({ event: "step", phase: "retrain", step, loss: 9 });

function log(...events: readonly object[]): void {
  writeFileSync(join(folder, "events.jsonl"), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
}

test("a search is summarized by the mean losses of its tenths", async () => {
  const steps = Array.from({ length: 25 }, (_, i) => search(i + 1, i));
  log(start, ...steps, retrain(26), retrain(27));
  const summary = await searchSummary(folder, SETTINGS);
  expect(summary).toMatchObject({ steps: 25, retrainSteps: 2, ...SETTINGS });
  expect(summary.loss).toEqual([0.5, 3, 5.5, 8, 10.5, 13, 15.5, 18, 20.5, 23]);
  expect(summary.upperLoss).toEqual(summary.loss.map((value) => 2 * value));
});

test("a short search is summarized step by step, and steps repeated by a resumed run count once", async () => {
  log(start, search(1, 1), search(2, 5), start, search(2, 2), search(3, 3));
  expect(await searchSummary(folder, SETTINGS)).toMatchObject({ steps: 3, loss: [1, 2, 3], upperLoss: [2, 4, 6] });
});
