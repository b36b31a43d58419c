/** The file of rows that a page is about. */
import { existsSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import { BidoraError, oneLine } from "../../../base/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import type { StudioFolder } from "../folder.js";
import type { Studio } from "../workspace.js";
import { type FileGuess, readingOf } from "./guess.js";
import type { RowIndex } from "./rowIndex.js";
import type { Reading } from "./rowReader.js";
import { PARTS, type Part } from "./splitRows.js";

export const ROWS = ".jsonl";

export interface Current {
  readonly name: string;
  readonly run: RunSettings;
  /** What the run uses it for. */
  readonly part: Part | undefined;
  readonly guess: FileGuess;
  readonly reading: Reading;
  /** Files of the run's other splits. */
  readonly others: readonly string[];
  /** Undefined while it is made, and for a file that is not JSONL. */
  readonly index: RowIndex | undefined;
}

/** The name that the rows of a file have as JSONL. */
export const rowsNameOf = (name: string): string => `${name.slice(0, name.length - extname(name).length)}${ROWS}`;

/** The files of rows, those that changed last first: JSONL, and what has not become JSONL. Those that are being read are left out. */
export function filesOf({ folder, rows }: Studio): readonly string[] {
  const names = folder.names("rows");
  return names.filter(
    (name) => !rows.isComing(rowsNameOf(name)) && (name.endsWith(ROWS) || !names.includes(rowsNameOf(name))),
  );
}

/** What a run uses a file for. */
export const partOf = (folder: StudioFolder, run: RunSettings, name: string): Part | undefined =>
  PARTS.find((part) => run[part] !== undefined && resolve(folder.path, run[part]) === folder.at("rows", name));

/** The file that is named, or the training rows, or the newest file; undefined if there is none. @throws BidoraError for a name without a file */
export async function currentOf(studio: Studio, given: string | undefined): Promise<Current | undefined> {
  const { folder, runFile, rows } = studio;
  const run = runFile.read();
  const files = filesOf(studio);
  const name = given ?? files.find((file) => partOf(folder, run, file) === "train") ?? files[0];
  if (name === undefined) return undefined;
  if (!existsSync(folder.at("rows", name)))
    throw new BidoraError("STUDIO", `There is no file ${oneLine(folder.as("rows", name))}.`);
  const part = partOf(folder, run, name);
  const guess = await rows.guesses.of(name);
  const reading = readingOf(run, part !== undefined, guess);
  const others = part === undefined ? [] : othersOf(folder, run, name);
  const index = name.endsWith(ROWS) ? await rows.index({ name, reading, others }) : undefined;
  return { name, run, part, guess, reading, others, index };
}

/** The JSONL files of the run's splits but one. */
const othersOf = (folder: StudioFolder, run: RunSettings, name: string): readonly string[] =>
  PARTS.flatMap((part) => run[part] ?? [])
    .map((path) => basename(path))
    .filter((other) => other !== name && other.endsWith(ROWS) && partOf(folder, run, other) !== undefined);

/** The same with its index. @throws BidoraError `STUDIO` while that is made, or if there is none */
export async function indexedOf(studio: Studio, name: string): Promise<Current & { readonly index: RowIndex }> {
  const current = await currentOf(studio, name);
  if (current?.index) return { ...current, index: current.index };
  throw new BidoraError("STUDIO", "The rows are still being looked at: try again in a moment.");
}

/** The address of the screen for a file. */
export function addressOf(name: string, more: Readonly<Record<string, string>> = {}): string {
  return `/data?${new URLSearchParams({ file: name, ...more })}`;
}

/** A name without its ending, and without the number of a copy: that of `sales-2024.jsonl` is one only if there is a `sales.jsonl`. */
export function stemOf(folder: StudioFolder, name: string): string {
  const stem = name.replace(/\.\w+$/, "");
  const original = stem.replace(/-\d+$/, "");
  return existsSync(folder.at("rows", original + ROWS)) ? original : stem;
}
