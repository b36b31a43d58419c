/** How a setting is declared: its flag, YAML key, type, help line and documentation all come from one `Option`. */
import { kebabCase } from "../format.js";
import type { Kind } from "./kinds.js";

/** When an option has an effect, decided by the other settings of the same call. */
export interface AppliesWhen {
  /** Completes the sentence "--xi applies only …". */
  readonly only: string;
  /**
   * Whether it has an effect. The settings come with their defaults and with what the command has found out so far: what is
   * undefined is not known yet, and rules nothing out.
   */
  holds(settings: Readonly<Record<string, unknown>>): boolean;
}

/** One setting of a command. */
export interface Option<T = unknown> extends Kind<T> {
  /** The heading it has in the help text. */
  readonly group: string;
  /** What it does, in one sentence that can be understood alone. */
  readonly help: string;
  /** The value it has by default; absent if it is optional or follows from other settings. */
  readonly default?: T;
  /** Describes a default that follows from other settings. */
  readonly defaultText?: string;
  /** Listed by name only in `--help`, which has to fit on one screen; `--help-all` explains it. */
  readonly advanced?: boolean;
  /** Left out of `--help`: few people need it, or another command explains it. */
  readonly rare?: boolean;
  /** Belongs to this call rather than to the run, so it is not written to `run.yaml`. */
  readonly session?: boolean;
  /** Given as a plain word on the command line instead of as a flag. */
  readonly positional?: boolean;
  /** Takes the words after `--`, which is then required. */
  readonly afterDashes?: boolean;
  /** Absent for an option that always has an effect. */
  readonly appliesWhen?: AppliesWhen;
  /** When one particular value has an effect, for values that do not always have one. */
  readonly valueAppliesWhen?: Readonly<Record<string, AppliesWhen>>;
}

/** The options of a command by key. */
export type OptionTable = Readonly<Record<string, Option>>;

type ValueOf<O> = O extends Kind<infer T> ? T : never;

/** Settings as a user gives them: any of them may be missing. */
export type Given<Table> = { readonly [K in keyof Table]?: ValueOf<Table[K]> | undefined };

/** Settings with defaults filled in: those that have one are always there. */
export type Values<Table> = {
  readonly [K in keyof Table]: Table[K] extends { readonly default: unknown }
    ? ValueOf<Table[K]>
    : ValueOf<Table[K]> | undefined;
};

type Details<T> = Omit<Option<T>, keyof Kind<T>> & Partial<Pick<Kind<T>, "takes" | "placeholder">>;

/** Declares an option of some kind of value. */
export const option = <T, const D extends Details<T>>(kind: Kind<T>, details: D): Kind<T> & D => ({
  ...kind,
  ...details,
});

// Without keyof Kind<T>, which the bundled types would keep as a name that is not there.
type Declared<T> = Partial<
  Omit<Option<T>, "group" | "help" | keyof Kind<unknown>> & Pick<Kind<T>, "placeholder" | "takes">
>;

/** Declares the options under one heading of the help: those of every day, `advanced` ones, and those that are `rare` too. */
export function group(name: string) {
  const declarer =
    <const Marks extends object>(marks: Marks) =>
    <T, const D extends Declared<T>>(kind: Kind<T>, help: string, details: D = {} as D) =>
      option(kind, { group: name, help, ...marks, ...details });
  return Object.assign(declarer({}), {
    advanced: declarer({ advanced: true }),
    rare: declarer({ advanced: true, rare: true }),
  });
}

/** `upperLearningRate` -> `--upper-learning-rate`. */
export const flagOf = (key: string): string => `--${kebabCase(key)}`;

/** Where another setting is given. */
export const whenGiven = (key: string): AppliesWhen => ({
  only: `with ${flagOf(key)}`,
  holds: (settings) => settings[key] !== undefined,
});

/** The named options of a table. */
export function pick<Table extends OptionTable, K extends keyof Table>(table: Table, ...keys: K[]): Pick<Table, K> {
  return Object.fromEntries(keys.map((key) => [key, table[key]])) as Pick<Table, K>;
}

/** A table without the named options, or settings without the named keys. */
export function omit<T extends object, K extends keyof T>(from: T, ...keys: readonly K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(from).filter(([key]) => !keys.includes(key as K))) as Omit<T, K>;
}

/** The same options under another heading. */
export function inGroup<Table extends OptionTable>(group: string, table: Table): Table {
  return Object.fromEntries(Object.entries(table).map(([key, option]) => [key, { ...option, group }])) as Table;
}

/** The same options, left out of this command's `--help` because another command explains them. */
export function asRare<Table extends OptionTable>(table: Table): Table {
  return Object.fromEntries(
    Object.entries(table).map(([key, option]) => [key, { ...option, advanced: true, rare: true }]),
  ) as Table;
}

/** Both conditions together. */
export const both = (a: AppliesWhen, b: AppliesWhen): AppliesWhen => ({
  only: `${a.only} and ${b.only}`,
  holds: (settings) => a.holds(settings) && b.holds(settings),
});

/** The same options, all of which have an effect under one condition. */
export function allApplyWhen<Table extends OptionTable>(appliesWhen: AppliesWhen, table: Table): Table {
  return Object.fromEntries(Object.entries(table).map(([key, option]) => [key, { ...option, appliesWhen }])) as Table;
}

/** Fills in the table's defaults, also for what is given as undefined. */
export function withDefaults<Table extends OptionTable>(table: Table, given: Given<Table>): Values<Table> {
  const defaults = Object.entries(table).map(([key, option]) => [key, option.default] as const);
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(defaults), ...Object.fromEntries(said) } as Values<Table>;
}
