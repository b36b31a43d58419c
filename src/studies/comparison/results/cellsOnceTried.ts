// The runs of a comparison, before and after the choice of points.
import { type Cell, curveCells, finalCells, gridCells, type Pair } from "../plan/cells.js";
import type { RunFacts } from "../plan/runSettings.js";
import type { Spec } from "../spec/spec.js";
import { bestSettings } from "./gridSearch.js";

/** The runs of `--tune`, of all pairs. */
export async function triedCells(spec: Spec, pairs: readonly Pair[], facts: RunFacts): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const pair of pairs) cells.push(...(await gridCells(spec, pair, facts)));
  return cells;
}

/** The reported runs of all pairs with the points that the tried ones chose, and those of `--curve`. @throws as `bestSettings` */
export async function cellsOnceTried(
  spec: Spec,
  pairs: readonly Pair[],
  facts: RunFacts,
  tried: readonly Cell[],
): Promise<Cell[]> {
  const [reported, ofCurve]: [Cell[], Cell[]] = [[], []];
  for (const pair of pairs) {
    const chosen = bestSettings(pair, tried);
    reported.push(...(await finalCells(spec, pair, facts, chosen)));
    ofCurve.push(...(await curveCells(spec, pair, facts, chosen)));
  }
  return [...reported, ...ofCurve];
}
