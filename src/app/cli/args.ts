/** How a command line is read. */

import { parseArgs } from "node:util";
import { nearestSpelling, UsageError } from "../../base/index.js";
import { checkValue, flagOf, type Given, type Option, type OptionTable } from "../../base/settings/index.js";

/** The contents of a command line. */
interface Arguments<Table> {
  /** Settings that are flags, and words that are not. */
  readonly given: Given<Table>;
  /** `--help`: the options that matter most; `--help-all`: each with its full help. */
  readonly help: "screen" | "all" | undefined;
}

/** The prefix of a flag that turns a switch off. */
const OFF = "no-";

const isToggle = (option: Option): boolean => option.placeholder === "";

/**
 * Reads a command line by a table of options.
 * @param usage of the command, for messages
 * @throws UsageError for an unknown flag (with the nearest known one), a missing or wrong value, or an extra word
 */
export function parseArguments<Table extends OptionTable>(
  table: Table,
  argv: readonly string[],
  usage = "COMMAND",
): Arguments<Table> {
  const all = Object.entries<Option>(table).map(([key, option]) => ({ key, option }));
  const flags = all.filter(({ option }) => !option.positional);
  const byFlag = new Map(flags.map((one) => [flagOf(one.key), one]));
  const options = Object.fromEntries(
    [...byFlag].map(([flag, { option }]) => [
      flag.slice(2),
      { type: isToggle(option) ? "boolean" : "string" } as const,
    ]),
  );
  const { tokens, positionals } = parseArgs({
    args: [...argv],
    options: { ...options, help: { type: "boolean", short: "h" }, "help-all": { type: "boolean" } },
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  if (all.some(({ option }) => option.afterDashes)) checkDashes(tokens, usage);
  const given: Record<string, unknown> = {};
  let help: Arguments<Table>["help"];
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    if (token.name === "help" || token.name === "help-all") {
      help = token.name === "help" ? "screen" : "all";
      continue;
    }
    // The name of a flag itself may begin with no-.
    const isOff = !byFlag.has(token.rawName) && token.name.startsWith(OFF);
    const found = byFlag.get(`--${isOff ? token.name.slice(OFF.length) : token.name}`);
    if (!found) throw unknownFlag(token.rawName, byFlag);
    const value = readValue(found.option, token, isOff);
    given[found.key] = found.option.isRepeated ? [given[found.key] ?? [], value].flat() : value;
  }
  const words = all.filter(({ option }) => option.positional);
  return { given: { ...wordsOf(words, positionals, usage), ...given } as Given<Table>, help };
}

/** @throws UsageError if there is no `--`, or a word before it */
function checkDashes(tokens: readonly Token[], usage: string): void {
  const early = tokens.find(({ kind, name }) => kind === "positional" || name === "help" || name === "help-all");
  const dashes = tokens.find(({ kind }) => kind === "option-terminator");
  if (early?.kind === "option" || (dashes && (!early || early.index > dashes.index))) return;
  throw new UsageError(`The command must stand after --; usage: bidora ${usage}`);
}

interface Token {
  readonly kind: string;
  readonly name?: string;
  readonly index: number;
}

/** The options that are plain words: one word each, or all words if the option is repeatable. */
function wordsOf(
  options: readonly { readonly key: string; readonly option: Option }[],
  words: readonly string[],
  usage: string,
): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  const left = [...words];
  for (const { key, option } of options) {
    const own = option.isRepeated ? left.splice(0) : left.splice(0, 1);
    const values = own.map((word) => checkValue(option, word, key));
    if (values.length > 0) given[key] = option.isRepeated ? values.flat() : values[0];
  }
  const [surplus] = left;
  if (surplus !== undefined) throw new UsageError(`Unexpected "${surplus}"; usage: bidora ${usage}`);
  return given;
}

interface FlagToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function readValue(option: Option, { rawName, value, inlineValue }: FlagToken, isOff: boolean): unknown {
  if (isToggle(option) && isOff && value !== undefined) throw new UsageError(`${rawName} takes no value.`);
  if (isToggle(option)) return value === undefined ? !isOff : checkValue(option, value, rawName);
  if (isOff) throw new UsageError(`${rawName} does not exist: --${rawName.slice(5)} takes a value.`);
  if (value === undefined || (!inlineValue && value.startsWith("--"))) {
    throw new UsageError(`${rawName} takes ${option.takes}; got nothing.`);
  }
  return checkValue(option, value, rawName);
}

function unknownFlag(flag: string, known: ReadonlyMap<string, { readonly option: Option }>): UsageError {
  const positive = [...known.keys()].map((name) => name.slice(2));
  const negative = [...known].filter(([, { option }]) => isToggle(option)).map(([name]) => `no-${name.slice(2)}`);
  const meant = nearestSpelling(flag.replace(/^-+/, ""), [...positive, ...negative, "help"]);
  return new UsageError(`Unknown flag "${flag}".${meant === undefined ? "" : ` Did you mean "--${meant}"?`}`);
}
