/** Values that are kept until the files or settings that they were made from change. */
import { statOf } from "../../base/index.js";

/** Size and time of a file's last change; undefined if there is none. */
export type FileState = readonly [bytes: number, time: number] | undefined;

export function fileState(path: string): FileState {
  const found = statOf(path);
  return found && [found.size, found.mtimeMs];
}

/** One value for each name. */
export class Kept<Value> {
  readonly #all = new Map<string, { readonly key: string; readonly value: Value }>();

  /** @param most how many are kept: those that were made last */
  constructor(private readonly most = Number.POSITIVE_INFINITY) {}

  /** The value, made again once its key has changed. @param key all that it depends on; a promise that fails is not kept */
  of(name: string, key: readonly unknown[], make: () => Value): Value {
    const state = JSON.stringify(key);
    const known = this.#all.get(name);
    if (known?.key === state) return known.value;
    const made = { key: state, value: make() };
    this.#all.delete(name);
    this.#all.set(name, made);
    prune(this.#all, this.most);
    if (made.value instanceof Promise)
      made.value.catch(() => {
        if (this.#all.get(name) === made) this.#all.delete(name);
      });
    return made.value;
  }
}

/** Leaves only the entries that were set last. */
export function prune(all: Map<string, unknown>, most: number): void {
  for (const old of [...all.keys()].slice(0, -most)) all.delete(old);
}
