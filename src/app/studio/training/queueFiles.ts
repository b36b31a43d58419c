/** The files of the queue: `queue/NAME.yaml` for each run that has not begun, and their order in `queue/queue.json`. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { own } from "../../../base/index.js";
import { isJsonObject, parsedJson, writeFileAtomic } from "../../../base/records/index.js";
import type { StudioFolder } from "../folder.js";

/** How a run ended without a result, where its own log does not say so: before its first step, or killed. */
export interface Ending {
  readonly state: "failed" | "stopped";
  /** The sentence of the command. */
  readonly message?: string;
}

/** What `queue.json` holds. */
export interface QueueState {
  /** The runs that wait, the next one first; also the one that runs. */
  readonly order: readonly string[];
  readonly ended: Readonly<Record<string, Ending>>;
}

const EXTENSION = ".yaml";
const STATE = "queue.json";

export class QueueFiles {
  constructor(private readonly folder: StudioFolder) {}

  get state(): QueueState {
    const path = join(this.folder.path, "queue", STATE);
    const found = existsSync(path) ? parsedJson(readFileSync(path, "utf8")) : undefined;
    const { order, ended } = isJsonObject(found) ? (found as Partial<QueueState>) : {};
    return { order: Array.isArray(order) ? order : [], ended: ended ?? {} };
  }

  /** The runs with a file, the oldest first. */
  get names(): string[] {
    const files = this.folder.names("queue").filter((name) => name.endsWith(EXTENSION));
    return files.map((name) => name.slice(0, -EXTENSION.length)).reverse();
  }

  has(name: string): boolean {
    return existsSync(this.pathOf(name));
  }

  /** Its path, absolute. */
  pathOf(name: string): string {
    return this.folder.at("queue", name + EXTENSION);
  }

  /** Its path as commands take it that are started in the studio's folder. */
  wordOf(name: string): string {
    return this.folder.as("queue", name + EXTENSION);
  }

  /** Puts a run behind the others. @param text its settings, if it has no file yet */
  add(name: string, text?: string): void {
    this.folder.make("queue");
    if (text !== undefined) writeFileAtomic(this.pathOf(name), text);
    this.#change(name, { order: [...this.#others(name), name] });
  }

  /** Puts a run before the others. */
  addFirst(name: string): void {
    this.#change(name, { order: [name, ...this.#others(name)] });
  }

  /** Moves a run one place forward. @param waiting all that wait, in order */
  moveUp(name: string, waiting: readonly string[]): void {
    const at = waiting.indexOf(name);
    if (at < 1) return;
    const moved = waiting.toSpliced(at, 1).toSpliced(at - 1, 0, name);
    const { order, ended } = this.state;
    this.#write({ order: [...order.filter((other) => !waiting.includes(other)), ...moved], ended });
  }

  /** Takes a run out of the order. @param ending how it ended, if that has to be remembered */
  leave(name: string, ending?: Ending): void {
    this.#change(name, { order: this.#others(name) }, ending);
  }

  /** Removes its file, and all that is remembered of it. */
  remove(name: string): void {
    rmSync(this.pathOf(name), { force: true });
    this.leave(name);
  }

  #others(name: string): string[] {
    return this.state.order.filter((other) => other !== name);
  }

  #change(name: string, change: Pick<QueueState, "order">, ending?: Ending): void {
    const { [name]: _before, ...others } = this.state.ended;
    this.#write({ ...change, ended: ending ? { ...others, [name]: ending } : others });
  }

  #write(state: QueueState): void {
    writeFileAtomic(join(this.folder.make("queue"), STATE), `${JSON.stringify(state, undefined, 1)}\n`);
  }

  endingOf(name: string): Ending | undefined {
    return own(this.state.ended, name);
  }
}
