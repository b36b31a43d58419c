// The state of all watched runs.
import { sum } from "d3-array";
import type { Phase, RunEvent } from "../../base/records/index.js";

export type RunState = "waiting" | "running" | "stopping" | "done" | "stopped" | "failed";

export interface RunStatus {
  /** The name in the path of its page; empty for a single run. */
  readonly name: string;
  readonly state: RunState;
  readonly phase?: Phase;
  /** Completed steps, and the steps of all phases. */
  readonly step: number;
  readonly steps: number;
  /** Mean seconds of the last steps. */
  readonly stepSeconds?: number;
  /** Mean rows and tokens of the last steps, by the second. */
  readonly rowsPerSecond?: number;
  readonly tokensPerSecond?: number;
  readonly loss?: number;
  readonly saved?: number;
  /** Whether a requested checkpoint is not saved yet. */
  readonly isSaving: boolean;
  /** The score of a finished run, or the reason for its failure. */
  readonly message?: string | undefined;
}

type EndState = Extract<RunState, "done" | "stopped" | "failed">;

/** The weight of the last step in running means. */
const NEWEST = 0.1;

/** The state of all watched runs, by their events. */
export class Board {
  readonly #runs = new Map<string, RunStatus>();
  readonly #listeners = new Set<() => void>();

  get runs(): readonly RunStatus[] {
    return [...this.#runs.values()];
  }

  run(name: string): RunStatus | undefined {
    return this.#runs.get(name);
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Adds runs that are planned or already done. */
  add(names: Iterable<string>, state: "waiting" | "done"): void {
    for (const name of names) this.#runs.set(name, { name, state, step: 0, steps: 0, isSaving: false });
    this.#notify();
  }

  event(name: string, event: RunEvent): void {
    const before = this.#runs.get(name);
    if (before) this.#set({ ...before, ...changes(before, event) });
  }

  /** Records a request to stop the run or to save a checkpoint. */
  asked(name: string, what: "stop" | "checkpoint"): void {
    const before = this.#runs.get(name);
    if (before?.state !== "running") return;
    this.#set({ ...before, ...(what === "stop" ? { state: "stopping" } : { isSaving: true }) });
  }

  ended(name: string, state: EndState, message?: string): void {
    const before = this.#runs.get(name);
    if (before) this.#set({ ...before, state, message, isSaving: false });
  }

  #set(status: RunStatus): void {
    this.#runs.set(status.name, status);
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

function changes(before: RunStatus, event: RunEvent): Partial<RunStatus> {
  switch (event.event) {
    case "start":
      return { state: "running", steps: sum(Object.values(event.steps)) };
    case "step": {
      const { phase, step, loss, seconds, rows, tokens } = event;
      const mean = (known: number | undefined, now: number) => {
        const earlier = before.phase === phase ? (known ?? now) : now;
        return earlier + NEWEST * (now - earlier);
      };
      return {
        ...{ phase, step, loss, stepSeconds: mean(before.stepSeconds, seconds) },
        rowsPerSecond: mean(before.rowsPerSecond, rows / seconds),
        tokensPerSecond: mean(before.tokensPerSecond, tokens / seconds),
      };
    }
    case "checkpoint":
      return { saved: event.step, isSaving: false };
    default:
      return {};
  }
}
