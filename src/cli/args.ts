import { parseArgs } from "node:util";
import { UsageError } from "../common/errors.js";
import { nearest } from "../common/messages.js";
import { checkValue, flagOf, type Given, type Option, type OptionTable } from "../config/option.js";

/** What a command line says. */
export interface Arguments<Table> {
  readonly given: Given<Table>;
  readonly positionals: readonly string[];
  /** `--help`: the options that matter most; `--help-all`: each with its full help. */
  readonly help: "screen" | "all" | undefined;
}

/** How a switch is turned off. */
const OFF = "no-";

const isToggle = (option: Option): boolean => option.placeholder === "";

/**
 * Reads a command line by a table of options.
 * @throws UsageError for an unknown flag (with the nearest right spelling), a missing value, or a wrong one
 */
export function parseArguments<Table extends OptionTable>(table: Table, argv: readonly string[]): Arguments<Table> {
  const byFlag = new Map(Object.entries(table).map(([key, option]) => [flagOf(key), { key, option }]));
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
  const given: Record<string, unknown> = {};
  let help: Arguments<Table>["help"];
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    if (token.name === "help" || token.name === "help-all") {
      help = token.name === "help" ? "screen" : "all";
      continue;
    }
    // A flag's own name may begin with no-.
    const isOff = !byFlag.has(token.rawName) && token.name.startsWith(OFF);
    const found = byFlag.get(`--${isOff ? token.name.slice(OFF.length) : token.name}`);
    if (!found) throw unknownFlag(token.rawName, byFlag);
    const value = readValue(found.option, token, isOff);
    given[found.key] = found.option.isRepeated ? [given[found.key] ?? [], value].flat() : value;
  }
  return { given: given as Given<Table>, positionals, help };
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
  const meant = nearest(flag.replace(/^-+/, ""), [...positive, ...negative, "help"]);
  return new UsageError(`Unknown flag "${flag}".${meant === undefined ? "" : ` Did you mean "--${meant}"?`}`);
}
