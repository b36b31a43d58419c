import type { Phase, RunEvent } from "../files/events.js";

/** Where a run stands. */
export type RunState = "waiting" | "running" | "stopping" | "done" | "stopped" | "failed";

/** How far a run has come. */
export interface RunStatus {
  /** By which its page is found; empty for a run that is alone. */
  readonly name: string;
  readonly state: RunState;
  readonly phase?: Phase;
  /** Steps done, of those of all phases. */
  readonly step: number;
  readonly steps: number;
  /** Mean seconds of the newest steps. */
  readonly stepSeconds?: number;
  readonly loss?: number;
  /** The step of its newest checkpoint. */
  readonly saved?: number;
  /** A checkpoint has been asked for and is not there yet. */
  readonly isSaving: boolean;
  /** Of a run that has ended: its score, or what went wrong. */
  readonly message?: string | undefined;
}

/** How a run ended. */
export type EndState = Extract<RunState, "done" | "stopped" | "failed">;

/** Share of the newest step in the running mean of seconds. */
const NEWEST = 0.1;

/** All runs that are watched, as their events tell. */
export class Board {
  readonly #runs = new Map<string, RunStatus>();
  readonly #listeners = new Set<() => void>();

  /** In the order in which they were added. */
  get runs(): readonly RunStatus[] {
    return [...this.#runs.values()];
  }

  run(name: string): RunStatus | undefined {
    return this.#runs.get(name);
  }

  /** Told after every change. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Runs that are going to be done, or are done already. */
  add(names: Iterable<string>, state: "waiting" | "done"): void {
    for (const name of names) this.#runs.set(name, { name, state, step: 0, steps: 0, isSaving: false });
    this.#tell();
  }

  event(name: string, event: RunEvent): void {
    const before = this.#runs.get(name);
    if (before) this.#set({ ...before, ...changes(before, event) });
  }

  /** Someone wants the run to end, or to save a checkpoint. */
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
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function changes(before: RunStatus, event: RunEvent): Partial<RunStatus> {
  switch (event.event) {
    case "start":
      return { state: "running", steps: Object.values(event.steps).reduce((sum, steps) => sum + steps, 0) };
    case "step": {
      const { phase, step, loss, seconds } = event;
      const mean = before.phase === phase ? (before.stepSeconds ?? seconds) : seconds;
      return { phase, step, loss, stepSeconds: mean + NEWEST * (seconds - mean) };
    }
    case "checkpoint":
      return { saved: event.step, isSaving: false };
    default:
      return {};
  }
}
