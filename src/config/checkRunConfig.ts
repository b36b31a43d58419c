import { type Check, isObject } from "../common/arguments.js";
import { UsageError } from "../common/errors.js";
import { shown } from "../common/messages.js";
import { runOptions } from "./options.js";
import { checkSettings } from "./settings.js";

/** What `resolveRun` gives, perhaps with some settings changed. */
export const aRunConfig: Check = (value, subject) => {
  if (!isObject(value) || !isObject(value.given) || !isObject(value.sources))
    throw new UsageError(`${subject} takes what resolveRun({ model, train, … }) gives; got ${shown(value)}.`);
  const { given: _, sources: __, ...settings } = value;
  checkSettings(runOptions, settings);
};
