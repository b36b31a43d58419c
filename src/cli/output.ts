/** What is printed, and where. */

import type { Shown } from "../commands/command.js";
import { BidoraError } from "../common/errors.js";
import { printable, printableJson } from "../common/messages.js";
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

export function createOutput({ json = false, quiet = false }): Output {
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
      const all = [shown].flat() as readonly Shown[];
      for (const one of all) print(one, output);
      return all.at(-1)?.status ?? 0;
    },
  };
  return output;
}

function print({ value, text, isEvent, isFormatted, failure, notes = [] }: Shown, output: Output): void {
  if (text !== undefined && !(output.json && isEvent)) {
    if (isFormatted && !output.json) stdout.write(`${text}\n`);
    else output.result(value, text);
  }
  for (const note of notes) output.note(note);
  if (failure !== undefined) printFailure(failure);
}

/** Prints one sentence for what a user can fix; the stack trace only on request. @returns the exit status */
export function reportError(error: unknown, debug = false): 1 | 2 {
  const known = error instanceof Error ? error : new Error(String(error));
  const message = known.message.split("\n")[0] || known.name;
  const frames = known.stack?.match(/(\n +at .*)+$/)?.[0] ?? "";
  if (debug) stderr.write(printable(`${known.name}: ${known.message}${frames}\n`));
  else printFailure(message);
  return known instanceof BidoraError ? known.exitStatus : 1;
}

const printFailure = (message: string): void => void stderr.write(printable(`bidora: ${message}\n`));
