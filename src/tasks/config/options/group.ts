// How the options of commands are declared.
import { type AppliesWhen, flagOf, type Kind, type Option, option } from "../../../base/settings/index.js";

type Details<T> = Partial<Omit<Option<T>, "group" | "help" | keyof Kind<unknown>> & Pick<Kind<T>, "placeholder">>;

/** Declares the options under one heading of the help: those of every day, `advanced` ones, and those that are `rare` too. */
export function group(name: string) {
  const declarer =
    <const Marks extends object>(marks: Marks) =>
    <T, const D extends Details<T>>(kind: Kind<T>, help: string, details: D = {} as D) =>
      option(kind, { group: name, help, ...marks, ...details });
  return Object.assign(declarer({}), {
    advanced: declarer({ advanced: true }),
    rare: declarer({ advanced: true, rare: true }),
  });
}

/** Where another setting is given. */
export const whenGiven = (key: string): AppliesWhen => ({
  only: `with ${flagOf(key)}`,
  holds: (settings) => settings[key] !== undefined,
});
