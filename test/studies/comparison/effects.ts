import { expect } from "vitest";
import { finalCells, gridCells, pairsOf } from "../../../src/studies/comparison/plan/cells.js";
import type { Spec } from "../../../src/studies/comparison/spec/spec.js";
import { refuseUnused, resolveRun } from "../../../src/tasks/config/index.js";

/** Whatever a comparison sets in any of its runs acts there. @param rows of each training set */
export async function expectEffects(spec: Spec, rows: number): Promise<void> {
  const facts = {
    rowsOf: async () => rows,
    upperRowsOf: async () => undefined,
    stepsOf: async () => 1000,
    secondsOfStep: async () => ({ train: 1, search: 3, retrain: 1 }),
  };
  for (const pair of pairsOf(spec))
    for (const cell of [...(await gridCells(spec, pair, facts)), ...(await finalCells(spec, pair, facts))])
      expect(() => refuseUnused(cell.settings, resolveRun(cell.settings))).not.toThrow();
}
