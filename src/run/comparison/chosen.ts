import { BidoraError } from "../../common/errors.js";
import { own } from "../../common/own.js";
import type { RunSettings } from "../../config/index.js";
import { readMetrics } from "../../folders/runFolder.js";
import type { Cell, Pair } from "./cells.js";
import { bestPoint } from "./grid.js";
import { watchedOf } from "./judging.js";

/** What did best on the rows that the runs of the grid held out; nothing where there is no grid. */
export function chosenFor({ task, variant }: Pair, tried: readonly Cell[]): RunSettings {
  const ofPair = tried.filter((cell) => cell.task === task.name && cell.variant === variant);
  const [first] = ofPair;
  if (!first) return {};
  const { name, goal } = watchedOf(first.folder);
  const scores = ofPair.map(({ folder, point = {} }) => {
    const metrics = readMetrics(folder);
    const score = own(metrics, `holdout_${name}`);
    if (score === undefined)
      throw new BidoraError("COMPARISON", `${folder} has no holdout_${name}, by which the grid is chosen from.`);
    return { point, score, loss: own(metrics, "holdout_loss") };
  });
  return bestPoint(scores, goal);
}
