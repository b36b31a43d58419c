/** What bidora's commands say about the next run, asked again when its settings change. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Commands } from "../commands.js";
import { prune } from "../kept.js";
import type { Works } from "../works.js";

/** The answer to a question, as far as it is known. */
export type Finding =
  | { readonly state: "running" | "stopped" }
  | { readonly state: "done"; readonly values: readonly unknown[] }
  | { readonly state: "failed"; readonly message: string };

/** A command to ask. */
export interface Question {
  /** The name of its work; of several questions of a name only the newest is asked. */
  readonly name: string;
  readonly title: string;
  /** All that the answer depends on. */
  readonly key: string;
  /** The key as it is now: the command may read what has changed since it was asked. May throw. */
  keyNow?(): string;
  /** The command and its flags; `--json` is added. */
  readonly words: readonly string[];
}

/** Milliseconds before a command starts: settings change several times in a row. */
const PAUSE = 400;
/** How many answers of a name are kept, for settings that come back. */
const KEPT = 12;

interface Entry {
  readonly key: string;
  answer: Finding;
}

/** Asks each question once, and keeps the answers. */
export class Findings {
  readonly #current = new Map<string, Entry>();
  readonly #kept = new Map<string, Map<string, Finding>>();
  /** The end of the last command of each name. */
  readonly #ends = new Map<string, Promise<void>>();

  constructor(
    private readonly commands: Commands,
    private readonly works: Works,
  ) {}

  /** The answer if it is known; otherwise starts the command, in place of one that was asked with another key. */
  ask(question: Question): Finding {
    const { name, key } = question;
    const known = this.#kept.get(name)?.get(key);
    const current = this.#current.get(name);
    if (current?.key === key) return current.answer;
    this.works.stop(name);
    const entry: Entry = { key, answer: known ?? { state: "running" } };
    this.#current.set(name, entry);
    const end = this.#ends.get(name) ?? Promise.resolve();
    if (!known)
      this.#ends.set(
        name,
        end.then(() => this.#run(question, entry)),
      );
    return entry.answer;
  }

  /** The answer if it is known. Stops the command if it runs. */
  known({ name, key }: Pick<Question, "name" | "key">): Finding | undefined {
    if (this.#current.get(name)?.answer.state === "running") {
      this.works.stop(name);
      this.#current.delete(name);
    }
    return this.#kept.get(name)?.get(key);
  }

  /** Forgets that the newest question of a name has no answer, so that it is asked again. */
  again(name: string): void {
    if (this.#current.get(name)?.answer.state !== "running") this.#current.delete(name);
  }

  async #run(question: Question, entry: Entry): Promise<void> {
    const { name, title, words } = question;
    const isNewest = () => this.#current.get(name) === entry;
    if (!isNewest()) return;
    await this.works.start(name, title, async ({ signal, report }) => {
      try {
        await sleep(PAUSE, undefined, { signal });
        const values = await this.commands.run(words, signal, (message) => report({ message }));
        entry.answer = { state: "done", values };
      } catch (error) {
        entry.answer = signal.aborted ? { state: "stopped" } : { state: "failed", message: (error as Error).message };
      }
    });
    const { state } = entry.answer;
    if (state !== "stopped" && hasChanged(question)) {
      // It is the answer to something else: who still wants one asks again.
      if (isNewest()) this.#current.delete(name);
    } else if (state === "done") this.#keep(name, entry);
    // What came out is shown by whoever asked.
    if (isNewest() || !this.#current.has(name)) this.works.dismiss(name);
  }

  #keep(name: string, { key, answer }: Entry): void {
    const kept = this.#kept.get(name) ?? new Map<string, Finding>();
    kept.set(key, answer);
    prune(kept, KEPT);
    this.#kept.set(name, kept);
  }
}

/** Whether what a question depends on is not as it was when it was asked. */
function hasChanged({ key, keyNow }: Question): boolean {
  try {
    return keyNow !== undefined && keyNow() !== key;
  } catch {
    return true;
  }
}
