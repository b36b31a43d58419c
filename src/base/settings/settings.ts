/** How settings are read, once: checked against the table of options, filled up with defaults, refused if they have no effect. */

import { anObject } from "../arguments.js";
import { own } from "../collections.js";
import { UsageError } from "../errors.js";
import { didYouMean, shown } from "../messages.js";
import { checkValue } from "./kinds.js";
import {
  type AppliesWhen,
  flagOf,
  type Given,
  type Option,
  type OptionTable,
  type Values,
  withDefaults,
} from "./option.js";

/** A command's settings with defaults filled in, and those of them that the user gave. */
export type Settings<Table> = Values<Table> & { readonly given: Given<Table> };

/**
 * Checks settings that are given by key. A list may be a string with commas, as on the command line.
 * @throws UsageError for an unknown key, with the nearest known one, or a wrong value
 */
export function checkSettings<Table extends OptionTable>(table: Table, given: Given<Table> = {}): Given<Table> {
  anObject(given, "settings");
  const checked: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const option = own<Option>(table, key);
    if (!option) throw new UsageError(`Unknown setting "${key}".${didYouMean(key, Object.keys(table))}`);
    checked[key] = typeof value === "string" ? checkText(option, value, key) : checkValue(option, value, key);
  }
  return checked as Given<Table>;
}

/** In a call, numbers and booleans must be JavaScript values, not strings. */
function checkText(option: Option, text: string, key: string): unknown {
  const read = option.fromText(text);
  if (typeof read === "string" || typeof read === "object") return checkValue(option, text, key);
  throw new UsageError(`${key} takes ${option.takes}; got ${shown(text)}.`);
}

/** Fills in defaults. @param given settings that have been checked */
export const filled = <Table extends OptionTable>(table: Table, given: Given<Table>): Settings<Table> => ({
  ...withDefaults(table, given),
  given,
});

/**
 * Refuses settings that have no effect, because the user expects one. A switch that is off is refused only if it declares when that has one.
 * @param facts what the command has found out in addition to its settings
 * @throws UsageError that names each such setting and says when it applies
 */
export function refuseWithoutEffect<Table extends OptionTable>(
  table: Table,
  settings: Settings<Table>,
  facts: object = {},
): void {
  const given = Object.entries(settings.given).filter(
    ([key, value]) => value !== false || conditionOfValue(table, key, value),
  );
  refuse("here", table, Object.fromEntries(given), { ...settings, ...facts });
}

/** The same, naming the place. @param settings those that the conditions read @param except keys that have an effect anyway */
export function refuse(
  where: string,
  table: OptionTable,
  given: object,
  settings: object,
  except: readonly string[] = [],
): void {
  const unused = withoutEffect(table, given, settings).filter((key) => !except.includes(key));
  const flag = (key: string) => flagOf(own(given as Record<string, unknown>, key) === false ? `no-${key}` : key);
  const named = unused.map((key) => `${flag(key)} (applies only ${table[key]?.appliesWhen?.only})`);
  for (const [key, value] of Object.entries(given)) {
    const condition = unused.includes(key) ? undefined : conditionOfValue(table, key, value);
    if (condition && !condition.holds(settings as Record<string, unknown>))
      named.push(`${flag(key)}${value === false ? "" : ` ${value}`} (applies only ${condition.only})`);
  }
  if (named.length === 0) return;
  const what = named.length > 1 ? "add what they need, or leave them out" : "add what it needs, or leave it out";
  throw new UsageError(`No effect ${where}: ${named.join(", ")}; ${what}.`);
}

/** The given keys that have no effect with these settings. */
export function withoutEffect(table: OptionTable, given: object, settings: object): string[] {
  return Object.keys(given).filter(
    (key) => table[key]?.appliesWhen?.holds(settings as Record<string, unknown>) === false,
  );
}

/** When the value that an option is set to has an effect, if it is one that does not always. */
const conditionOfValue = (table: OptionTable, key: string, value: unknown): AppliesWhen | undefined =>
  typeof value === "string" || value === false
    ? own<AppliesWhen>(table[key]?.valueAppliesWhen ?? {}, String(value))
    : undefined;
