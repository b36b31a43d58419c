import { existsSync } from "node:fs";
import { join } from "node:path";
import { EVENTS, type RunEvent, readRunLog } from "../../base/records/index.js";
import type { AdapterMetadata } from "../../models/adapters/index.js";
import type { RunConfig } from "../../tasks/config/index.js";
import type { RunObserver } from "../loop/observer.js";

/** The number of parts in the summary of a search. */
const PARTS = 10;

/**
 * The losses of a search. They are kept in memory because every checkpoint has a summary of them, and reading the log for each would take
 * longer with every step.
 */
export class SearchHistory implements RunObserver {
  readonly #loss: number[] = [];
  readonly #upperLoss: number[] = [];
  #retrainSteps = 0;

  /** @param from the step that a resumed run starts after; 0 for a new run */
  constructor(
    readonly config: Pick<RunConfig, "output" | "hypergradient" | "xi">,
    readonly from: number,
  ) {}

  async on(event: RunEvent): Promise<void> {
    if (event.event === "start") await this.#readEarlierSessions();
    this.#add(event);
  }

  async #readEarlierSessions(): Promise<void> {
    const { output } = this.config;
    if (this.from === 0 || !existsSync(join(output, EVENTS))) return;
    const { events } = await readRunLog(output);
    for (const event of events) if ("step" in event && (event.step ?? 0) <= this.from) this.#add(event);
  }

  #add(event: RunEvent): void {
    if (event.event !== "step") return;
    if (event.phase === "retrain") this.#retrainSteps += 1;
    if (event.phase !== "search") return;
    this.#loss.push(event.loss);
    if (event.upperLoss !== undefined) this.#upperLoss.push(event.upperLoss);
  }

  /** The summary in a BiDoRA adapter's file. */
  summary(): NonNullable<AdapterMetadata["search"]> {
    const { hypergradient, xi } = this.config;
    return {
      steps: this.#loss.length,
      retrainSteps: this.#retrainSteps,
      hypergradient,
      xi,
      loss: meansOfParts(this.#loss),
      upperLoss: meansOfParts(this.#upperLoss),
    };
  }
}

/** The mean of each tenth of the values, or the values themselves if there are fewer than ten. */
function meansOfParts(values: readonly number[]): number[] {
  const parts = Math.min(PARTS, values.length);
  return Array.from({ length: parts }, (_, i) => {
    const part = values.slice(Math.floor((i * values.length) / parts), Math.floor(((i + 1) * values.length) / parts));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
