import { anObject } from "../common/arguments.js";
import { own } from "../common/collections.js";
import { UsageError } from "../common/errors.js";
import { didYouMean, shown } from "../common/messages.js";
import { checkValue, type Given, type Option, type OptionTable, type Values, withDefaults } from "./option.js";

/** A command's settings with defaults filled in, and what of them was set by hand. */
export type Settings<Table> = Values<Table> & { readonly given: Given<Table> };

/**
 * Settings by the names that they have in a table. Lists may be a text with commas, as on the command line.
 * @throws UsageError for an unknown name, with the nearest right one, or a wrong value
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

/** A call has numbers and switches of its own, and need not write them as text. */
function checkText(option: Option, text: string, key: string): unknown {
  const read = option.fromText(text);
  if (typeof read === "string" || typeof read === "object") return checkValue(option, text, key);
  throw new UsageError(`${key} takes ${option.takes}; got ${shown(text)}.`);
}

/** Checks what was set by hand, and fills in the table's defaults. @throws UsageError as `checkSettings` */
export function resolveSettings<Table extends OptionTable>(table: Table, given: Given<Table>): Settings<Table> {
  const checked = checkSettings(table, given);
  return { ...withDefaults(table, checked), given: checked };
}
