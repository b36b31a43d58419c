import { BidoraError, formatNumber, formatSeconds } from "../../base/index.js";
import type { RunEvent } from "../../base/records/index.js";
import type { Cell } from "./cells.js";
import type { EndedRun } from "./jobs.js";

/** Reports the progress of a comparison: a line for each run that ends, with an estimate of the remaining time. */
export class ComparisonProgress {
  #ended = 0;
  readonly #began = performance.now();
  readonly #seen = new Map<Cell, { steps: number; total: number }>();

  constructor(
    private readonly cells: readonly Cell[],
    private readonly note: (line: string) => void,
    private readonly now = () => performance.now(),
  ) {}

  event(cell: Cell, event: RunEvent): void {
    if (event.event === "start") {
      const total = Object.values(event.steps).reduce((sum, steps) => sum + steps, 0);
      this.#seen.set(cell, { steps: 0, total });
    }
    const seen = this.#seen.get(cell);
    if (event.event === "step" && seen) seen.steps = event.step;
  }

  end({ cell, status, message }: EndedRun, score: string | undefined): void {
    if (status === "stopped") return;
    this.#ended++;
    this.#seen.delete(cell);
    const what = status === "failed" ? `failed: ${message}` : (score ?? "done");
    this.note(`${this.#ended}/${this.cells.length} ${cellName(cell)}: ${what}${this.#left()}`);
  }

  /** Extrapolated from the share of runs that are done; running ones count in part. */
  #left(): string {
    const running = [...this.#seen.values()].reduce((sum, { steps, total }) => sum + steps / Math.max(1, total), 0);
    const share = (this.#ended + running) / this.cells.length;
    if (this.#ended === this.cells.length || share === 0) return "";
    const seconds = ((this.now() - this.#began) / 1000) * (1 / share - 1);
    return `; about ${formatSeconds(seconds)} left`;
  }
}

/** A run's name for messages. */
export const cellName = ({ task, variant, seed, point }: Cell): string =>
  [task, variant.name, point ? Object.entries(point).map(([key, value]) => `${key}=${String(value)}`) : `seed ${seed}`]
    .flat()
    .join(" ");

/** A score for messages. */
export const scoreText = (name: string, value: number | undefined): string | undefined =>
  value === undefined ? undefined : `${name} ${formatNumber(value)}`;

/** The number of failed runs that are named beside the first. */
const NAMED = 3;

/** The error at the end of a comparison in which runs failed or were stopped: the reason for the first one, and the names of others. */
export function runsFailed(failed: readonly EndedRun[], all: number): BidoraError {
  const [{ cell, message }, ...others] = failed as [EndedRun, ...EndedRun[]];
  const why = message?.replace(/^bidora: /, "");
  const what = failed.every(({ status }) => status === "stopped") ? "were stopped" : "failed";
  return new BidoraError(
    "COMPARISON",
    `${failed.length} of ${all} runs ${what}; ${failed.length < all ? "the others are kept, and " : ""}the same command continues with the missing ones. ${cellName(cell)}: ${why}${alsoFailed(others)}`,
  );
}

function alsoFailed(others: readonly EndedRun[]): string {
  if (others.length === 0) return "";
  const named = others.slice(0, NAMED).map(({ cell }) => cellName(cell));
  const more = others.length - named.length;
  return ` So did ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
}
