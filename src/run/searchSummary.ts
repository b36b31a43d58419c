import type { AdapterMetadata } from "../adapters/index.js";
import type { RunConfig } from "../config/index.js";
import { readRunLog } from "../files/runLog.js";

/** Into so many parts a search is summed up. */
const PARTS = 10;

/** What a BiDoRA adapter keeps of its search, from the run's log so far: a resumed run knows what came before. */
export async function searchSummary(
  folder: string,
  { hypergradient, xi }: Pick<RunConfig, "hypergradient" | "xi">,
): Promise<NonNullable<AdapterMetadata["search"]>> {
  const { events } = await readRunLog(folder);
  const taken = events.flatMap((event) => (event.event === "step" && event.phase === "search" ? [event] : []));
  return {
    steps: taken.length,
    retrainSteps: events.filter((event) => event.event === "step" && event.phase === "retrain").length,
    hypergradient,
    xi,
    loss: meansOfParts(taken.map(({ loss }) => loss)),
    upperLoss: meansOfParts(taken.flatMap(({ upperLoss }) => upperLoss ?? [])),
  };
}

/** The mean of each tenth; of fewer values each by itself. */
function meansOfParts(values: readonly number[]): number[] {
  const parts = Math.min(PARTS, values.length);
  return Array.from({ length: parts }, (_, i) => {
    const part = values.slice(Math.floor((i * values.length) / parts), Math.floor(((i + 1) * values.length) / parts));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
