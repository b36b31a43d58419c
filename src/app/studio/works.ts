/** What takes a while: imports, downloads, estimates, exports. Each has a name, and pages show how far it is. */
import { BidoraError } from "../../base/index.js";

/** How a work is going. */
export interface WorkState {
  readonly title: string;
  readonly state: "running" | "done" | "failed" | "stopped";
  /** From 0 to 1; undefined if nothing is known. */
  readonly share?: number | undefined;
  /** What it does now, what came out, or why it failed. */
  readonly message?: string | undefined;
}

/** What a work can do besides its own. */
export interface Reporter {
  readonly signal: AbortSignal;
  report(progress: Pick<WorkState, "share" | "message">): void;
}

interface Entry {
  state: WorkState;
  readonly stopping: AbortController;
  readonly ended: Promise<void>;
}

export class Works {
  readonly #all = new Map<string, Entry>();

  constructor(private readonly onChange: () => void) {}

  get(name: string): WorkState | undefined {
    return this.#all.get(name)?.state;
  }

  isRunning(name: string): boolean {
    return this.get(name)?.state === "running";
  }

  /**
   * Starts a work, in place of one of the same name that has ended.
   * @param work returns what to say in the end
   * @throws BidoraError `STUDIO` while one of the name runs
   */
  start(name: string, title: string, work: (reporter: Reporter) => Promise<string | undefined>): Promise<void> {
    if (this.isRunning(name)) throw new BidoraError("STUDIO", `${title}: this is going on already.`);
    const stopping = new AbortController();
    const set = (change: Partial<WorkState>) => {
      const entry = this.#all.get(name);
      if (entry?.stopping !== stopping) return;
      entry.state = { ...entry.state, ...change };
      this.onChange();
    };
    const ended = Promise.resolve()
      .then(() => work({ signal: stopping.signal, report: set }))
      .then(
        (message) => set({ state: "done", share: 1, message }),
        (error: Error) =>
          set(
            stopping.signal.aborted
              ? { state: "stopped", message: undefined }
              : { state: "failed", message: error.message },
          ),
      );
    this.#all.set(name, { state: { title, state: "running" }, stopping, ended });
    this.onChange();
    return ended;
  }

  stop(name: string): void {
    this.#all.get(name)?.stopping.abort(new BidoraError("STOPPED", "It was stopped."));
  }

  /** Takes an ended work out of sight. */
  dismiss(name: string): void {
    if (!this.isRunning(name)) this.#all.delete(name);
    this.onChange();
  }

  async close(): Promise<void> {
    for (const name of this.#all.keys()) this.stop(name);
    await Promise.all([...this.#all.values()].map(({ ended }) => ended));
  }
}
