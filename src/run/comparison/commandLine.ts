import type { RunSettings } from "../../config/index.js";
import { flagOf } from "../../settings/option.js";

/** A run's settings as the words of a command line, which say the same again when they are read. */
export function flagsOf(settings: RunSettings): string[] {
  return Object.entries(settings).flatMap(([key, value]) => (value === undefined ? [] : wordsOf(key, value)));
}

function wordsOf(key: string, value: unknown): string[] {
  const flag = flagOf(key);
  if (value === true) return [flag];
  if (value === false) return [flag.replace("--", "--no-")];
  // A word of its own may not begin with two dashes.
  return [`${flag}=${textOf(value)}`];
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(",");
  if (typeof value === "object" && value !== null)
    return Object.entries(value)
      .map(([name, number]) => `${name}=${number}`)
      .join(",");
  return String(value);
}

/** Words as a POSIX shell takes them. */
export const shellLine = (words: readonly string[]): string => words.map(quoted).join(" ");

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
