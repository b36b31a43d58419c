/** What is trained: the method, and the settings that the adapter methods declare. */

import { type AppliesWhen, choice, type OptionTable, option } from "../../../base/settings/index.js";
import { adapterOptions } from "../../../models/adapters/index.js";
import { type Method, methodNames, methodsWith, withMethods } from "../methods.js";

/** Each of the adapters' options applies to the methods that declare it, unless it says more itself. */
function whereDeclared<Table extends OptionTable>(table: Table): Table {
  const conditionOf = (key: string): AppliesWhen => withMethods(...methodsWith(key));
  const entries = Object.entries(table).map(([key, one]) => [key, { appliesWhen: conditionOf(key), ...one }]);
  return Object.fromEntries(entries) as Table;
}

export const methodOptions = {
  method: option(choice<readonly Method[]>(methodNames), {
    group: "Method",
    help: methodNames.join(", "),
    placeholder: "NAME",
    default: "lora",
  }),
  ...whereDeclared(adapterOptions),
};
