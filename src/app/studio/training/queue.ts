/** The queue of runs: one after the other, each as a process of its own. */
import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { BidoraError } from "../../../base/index.js";
import {
  holdFolder,
  isFinished,
  isJsonObject,
  isRunFolder,
  newestCheckpoint,
  RUN_FILE,
  type RunEvent,
  removeOwnFiles,
  writerOf,
} from "../../../base/records/index.js";
import { Board, type RunStatus } from "../../../studies/dashboard/index.js";
import { CHECKPOINT_SIGNAL } from "../../../training/index.js";
import type { Commands, RunningCommand } from "../commands.js";
import { firstFree, type StudioFolder } from "../folder.js";
import { Figures } from "./figures.js";
import { type Ending, QueueFiles } from "./queueFiles.js";

/** Milliseconds between two news of a run's steps. */
const INTERVAL = 1000;

interface Current {
  readonly name: string;
  /** Its command line. */
  readonly words: readonly string[];
  readonly running: RunningCommand;
  /** Why it was stopped. */
  asked?: "pause" | "stop";
}

export class RunQueue {
  readonly files: QueueFiles;
  readonly figures: Figures;
  readonly #board = new Board();
  #current: Current | undefined;
  #isGoing = false;
  #added = 0;
  #problem: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly folder: StudioFolder,
    private readonly commands: Commands,
    private readonly onChange: () => void,
  ) {
    this.files = new QueueFiles(folder);
    this.figures = new Figures(onChange);
  }

  /** How the run of this studio is going; undefined if none runs. */
  get current(): RunStatus | undefined {
    return this.#current && this.#board.run(this.#current.name);
  }

  /** How many runs were added since the studio was started. */
  get added(): number {
    return this.#added;
  }

  /** Why the queue does not go on by itself. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The runs that wait, the next one first: those in order, then files that came otherwise. */
  get waiting(): readonly string[] {
    const { order, ended } = this.files.state;
    const loose = this.files.names.filter((name) => !order.includes(name) && !(name in ended) && !this.#isRun(name));
    const all = [...order.filter((name) => this.files.has(name) || this.#isRun(name)), ...loose];
    return all.filter((name) => name !== this.#current?.name && !isFinished(this.folderOf(name)));
  }

  folderOf(name: string): string {
    return this.folder.at("runs", name);
  }

  /** The command line of a run: the one that runs now, or one that begins it or goes on with it. */
  wordsOf(name: string): readonly string[] {
    if (name === this.#current?.name) return this.#current.words;
    // A file that came otherwise may name another output.
    const output = ["--output", this.folder.as("runs", name)];
    if (!this.#isRun(name)) return ["finetune", this.files.wordOf(name), ...output];
    if (existsSync(join(this.folderOf(name), RUN_FILE))) return ["finetune", ...output, "--resume"];
    return ["finetune", this.files.wordOf(name), ...output, "--resume"];
  }

  #isRun(name: string): boolean {
    return isRunFolder(this.folderOf(name));
  }

  /** A name that no run has: this one, or with a number behind it. */
  freeName(name: string): string {
    return firstFree(name, (candidate) => !this.files.has(candidate) && !existsSync(this.folderOf(candidate)));
  }

  /**
   * Adds a run, and goes on with the queue.
   * @param text its settings
   * @throws BidoraError `STUDIO` for a name that is taken
   */
  add(name: string, text: string): Promise<void> {
    const free = this.freeName(name);
    if (free !== name)
      throw new BidoraError("STUDIO", `There is a run ${name} already: take another name, such as ${free}.`);
    this.files.add(name, text);
    this.#added++;
    return this.#next();
  }

  /** Goes on with the runs that wait. @throws BidoraError `LOCKED` if another process writes the next one */
  async go(): Promise<void> {
    this.#isGoing = true;
    const [next] = this.waiting;
    if (!this.#current && next !== undefined) await this.#begin(next);
    this.onChange();
  }

  /**
   * Adds a run again that was stopped or has failed, and goes on with the queue.
   * @throws BidoraError `STUDIO` for one that can't go on, `LOCKED` if another process writes it
   */
  async resume(name: string): Promise<void> {
    this.#refuseUnknown(name);
    if (isFinished(this.folderOf(name))) throw new BidoraError("STUDIO", `${name} has ended: nothing is left to do.`);
    await this.#refuseHeld(name);
    if (!this.waiting.includes(name)) this.files.add(name);
    await this.#next();
  }

  /**
   * Adds a run again that has no state to go on from, with other settings, and goes on with the queue.
   * @param text its settings
   * @throws BidoraError `STUDIO` for one that has a state or has ended, `LOCKED` if another process writes it
   */
  async renew(name: string, text: string): Promise<void> {
    this.#refuseUnknown(name);
    const folder = this.folderOf(name);
    if (isFinished(folder) || (this.#isRun(name) && newestCheckpoint(folder) !== undefined))
      throw new BidoraError("STUDIO", `${name} has trained already: start a run of another name with these settings.`);
    await this.remove(name);
    this.files.add(name, text);
    await this.#next();
  }

  moveUp(name: string): void {
    this.files.moveUp(name, this.waiting);
    this.onChange();
  }

  /** Takes a waiting run out of the queue: one that has not begun is gone, another one stays where it stopped. */
  leave(name: string): void {
    if (this.#isRun(name)) this.files.leave(name, { state: "stopped" });
    else this.files.remove(name);
    this.onChange();
  }

  /** Makes the run save a checkpoint after its step. */
  save(): void {
    // Before its first step it may not listen to the signal, which would end it.
    if (!this.#current || this.current?.state !== "running" || this.current.step === 0) return;
    this.#current.running.kill(CHECKPOINT_SIGNAL);
    this.#board.asked(this.#current.name, "checkpoint");
    this.onChange();
  }

  /** Stops the run after its step, with its state saved: `pause` holds the queue, `stop` goes on with the next run. */
  end(asked: "pause" | "stop"): void {
    const current = this.#current;
    if (!current) return;
    // A second signal would end it at once, without its state.
    if (current.asked === undefined) current.running.stop();
    current.asked = asked;
    this.#board.asked(current.name, "stop");
    this.onChange();
  }

  /** Removes a run that has ended: what bidora wrote there. Other files stay. @throws BidoraError `STUDIO`, `LOCKED` */
  async remove(name: string): Promise<void> {
    this.#refuseUnknown(name);
    const folder = this.folderOf(name);
    if (this.#isRun(name)) {
      await holdFolder(folder, async () => removeOwnFiles(folder));
      if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
    }
    this.files.remove(name);
    this.onChange();
  }

  #refuseUnknown(name: string): void {
    if (name === this.#current?.name) throw new BidoraError("STUDIO", `${name} is running: stop it first.`);
    if (!this.#isRun(name) && !this.files.has(name)) throw new BidoraError("STUDIO", `There is no run ${name}.`);
  }

  /** @throws BidoraError `LOCKED` with its own sentence */
  async #refuseHeld(name: string): Promise<void> {
    const folder = this.folderOf(name);
    if (writerOf(folder)) await holdFolder(folder, async () => {});
  }

  /** Stops the run, which stays the first of the queue. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const running = this.#current?.running.done;
    this.end("pause");
    await running?.catch(() => {});
  }

  async #begin(name: string): Promise<void> {
    await this.#refuseHeld(name);
    if (this.#current) return;
    const words = this.wordsOf(name);
    const running = this.commands.start(words, {
      onValue: (value) => isJsonObject(value) && this.#heard(name, value as unknown as RunEvent),
    });
    this.#current = { name, words, running };
    this.#problem = undefined;
    this.files.addFirst(name);
    this.#board.add([name], "waiting");
    running.done.then(
      () => this.#ended(name),
      (error: Error) => this.#ended(name, error),
    );
  }

  #heard(name: string, event: RunEvent): void {
    this.#board.event(name, event);
    if (event.event === "step") this.#tellLater();
    else this.onChange();
  }

  #tellLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.onChange();
    }, INTERVAL);
  }

  #ended(name: string, error?: Error): void {
    const asked = this.#current?.asked ?? (isStopped(error) ? "pause" : undefined);
    this.#current = undefined;
    if (isFinished(this.folderOf(name))) this.files.remove(name);
    else if (asked === "pause") this.#isGoing = false;
    else this.files.leave(name, endingOf(asked, error));
    this.onChange();
    if (this.#isGoing) void this.#next();
  }

  async #next(): Promise<void> {
    try {
      await this.go();
    } catch (error) {
      this.#isGoing = false;
      this.#problem = (error as Error).message;
      this.onChange();
    }
  }
}

const isStopped = (error: Error | undefined): boolean => error instanceof BidoraError && error.code === "STOPPED";

const endingOf = (asked: "stop" | undefined, error: Error | undefined): Ending =>
  asked === "stop" || !error ? { state: "stopped" } : { state: "failed", message: error.message };
