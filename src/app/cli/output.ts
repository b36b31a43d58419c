/** What is printed, and where. */

import { BidoraError, isShownElsewhere, printable, printableJson } from "../../base/index.js";
import { isLaunched } from "../../torch/distributed/index.js";
import type { Shown } from "../commands/command.js";
import { stderr, stdout } from "./streams.js";

/** Where a command prints: results on stdout, anything that is only for people on stderr. */
export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** A line for people; silent with `--quiet`. */
  note(line: string): void;
  /** A result: the value as one JSON line with `--json`, else the text. */
  result(value: unknown, text: string): void;
  /** Prints a result of a command. @returns the exit status */
  show(shown: Shown | readonly Shown[]): number;
}

/** @param isSilent whether neither results nor notes are printed: of several ranks, one prints */
export function createOutput({ json = false, quiet = false }, isSilent = false): Output {
  if (isSilent) return { ...createOutput({ quiet: true }), result() {}, show: (shown) => statusOf(shown) };
  const output: Output = {
    json,
    quiet,
    note: (line) => {
      if (!quiet) stderr.write(`${printable(line)}\n`);
    },
    result: (value, text) => {
      stdout.write(`${json ? printableJson(value) : printable(text)}\n`);
    },
    show(shown) {
      for (const one of all(shown)) print(one, output);
      return statusOf(shown);
    },
  };
  return output;
}

const all = (shown: Shown | readonly Shown[]): readonly Shown[] => [shown].flat() as readonly Shown[];

const statusOf = (shown: Shown | readonly Shown[]): number => all(shown).at(-1)?.status ?? 0;

function print({ value, text, isEvent, isForPrograms, isFormatted, failure, notes = [] }: Shown, output: Output): void {
  if (isForPrograms && output.json) output.result(value, "");
  if (text !== undefined && !(output.json && isEvent)) {
    if (isFormatted && !output.json) stdout.write(`${text}\n`);
    else output.result(value, text);
  }
  for (const note of notes) output.note(note);
  if (failure !== undefined) printFailure(failure);
}

/**
 * Prints one sentence for what a user can fix; the stack trace only on request.
 * @param rank of this process, if it is not the one that prints
 * @returns the exit status
 */
export function reportError(error: unknown, debug = false, rank = 0): 1 | 2 {
  const known = error instanceof Error ? error : new Error(String(error));
  // One of the ranks that share a terminal prints what all of them would print.
  if (!(isLaunched() && isShownElsewhere(error))) printError(known, debug, rank === 0 ? "" : `rank ${rank}: `);
  return known instanceof BidoraError ? known.exitStatus : 1;
}

function printError(error: Error, isDebug: boolean, prefix: string): void {
  const { name, message, stack } = error;
  const frames = stack?.match(/(\n +at .*)+$/)?.[0] ?? "";
  if (isDebug) stderr.write(printable(`${prefix}${name}: ${message}${frames}\n`));
  else printFailure(prefix + (message.split("\n")[0] || name));
}

const printFailure = (message: string): void => void stderr.write(printable(`bidora: ${message}\n`));
