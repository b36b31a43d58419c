import { z } from "zod";
import { UsageError } from "../common/errors.js";
import { wholeRecord } from "../common/keys.js";
import { didYouMean, shown } from "../common/messages.js";
import { isPattern } from "../common/patterns.js";
import type { Acts } from "./acts.js";

/** What values an option takes: how they are checked, how they are written on the command line, and how to say so. */
export interface Kind<T> {
  readonly schema: z.ZodType<T>;
  /** Completes the sentence "--rank takes …". */
  readonly takes: string;
  /** Stands for the value in help texts; empty for switches, which take none. */
  readonly placeholder: string;
  /** The words allowed, where the kind has such a list. */
  readonly words: readonly string[];
  /** Given several times, it has all the values; else the last one. */
  readonly isRepeated?: boolean;
  /** From the form that one command-line word has to the form that the schema checks. */
  fromText(text: string): unknown;
}

/** One option, declared once: flag, YAML key, type, help line and documentation derive from it. */
export interface Option<T = unknown> extends Kind<T> {
  readonly group: string;
  readonly help: string;
  /** The value where nothing is given; absent when the value is optional or follows from other options. */
  readonly default?: T;
  /** How a default that follows from other options is described. */
  readonly defaultText?: string;
  /** Named without its help line in `--help`, to keep that to a screen. */
  readonly advanced?: boolean;
  /** Not even named in `--help`: for few runs, or explained by another command. */
  readonly rare?: boolean;
  /** Belongs to the call and not to the run, so it is not written to `run.yaml`. */
  readonly session?: boolean;
  /** Where it has an effect; absent for an option that always has. */
  readonly acts?: Acts;
  /** Where a single word of it has an effect, for words that do not always. */
  readonly wordActs?: Readonly<Record<string, Acts>>;
}

export type OptionTable = Readonly<Record<string, Option>>;

type ValueOf<O> = O extends Kind<infer T> ? T : never;

/** What a user gave: every key may be missing. */
export type Given<Table> = { readonly [K in keyof Table]?: ValueOf<Table[K]> | undefined };

/** The values after defaults: keys with a default are always there. */
export type Values<Table> = {
  readonly [K in keyof Table]: Table[K] extends { readonly default: unknown }
    ? ValueOf<Table[K]>
    : ValueOf<Table[K]> | undefined;
};

type Details<T> = Omit<Option<T>, keyof Kind<T>> & Partial<Pick<Kind<T>, "takes" | "placeholder">>;

/** Declares an option: what it takes, and what help and documentation say of it. */
export const option = <T, const D extends Details<T>>(kind: Kind<T>, details: D): Kind<T> & D => ({
  ...kind,
  ...details,
});

/** `upperLearningRate` -> `--upper-learning-rate`. */
export const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const numeric = (text: string): unknown => (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text));

/** A whole number of at least `least`. */
export const whole = (least: number): Kind<number> => ({
  schema: z.int().min(least),
  takes: `a whole number of at least ${least}`,
  placeholder: "N",
  words: [],
  fromText: numeric,
});

interface Range {
  readonly least?: number;
  readonly above?: number;
  readonly most?: number;
  readonly below?: number;
}

/** A finite number within the range. */
export function number({ least, above, most, below }: Range = {}): Kind<number> {
  let schema = z.number();
  const bounds: string[] = [];
  if (least !== undefined) [schema] = [schema.min(least), bounds.push(`of at least ${least}`)];
  if (above !== undefined) [schema] = [schema.gt(above), bounds.push(`above ${above}`)];
  if (most !== undefined) [schema] = [schema.max(most), bounds.push(`at most ${most}`)];
  if (below !== undefined) [schema] = [schema.lt(below), bounds.push(`below ${below}`)];
  const takes = ["a number", bounds.join(" and ")].join(" ").trim();
  return { schema, takes, placeholder: "X", words: [], fromText: numeric };
}

/** One of the words. */
export const choice = <const W extends readonly string[]>(words: W): Kind<W[number]> => ({
  schema: z.enum(words),
  takes: alternatives(words),
  placeholder: words.join("|"),
  words,
  fromText: (text) => text,
});

/** Some of the words, separated by commas; a list in YAML. */
export const choices = <const W extends readonly string[]>(words: W): Kind<readonly W[number][]> => ({
  schema: z.array(z.enum(words)).min(1),
  takes: words.length < 2 ? alternatives(words) : `one or more of ${words.join(", ")}, separated by commas`,
  placeholder: words.join("|"),
  words,
  fromText: commaSeparated,
});

/** One of the words, or a number of at least 0. */
export const choiceOrNumber = <const W extends readonly string[]>(words: W): Kind<W[number] | number> => ({
  schema: z.union([z.enum(words), z.number().min(0)]),
  takes: alternatives([...words, "a number of at least 0"]),
  placeholder: `${words.join("|")}|X`,
  words,
  fromText: numeric,
});

/** A text that is not empty. */
export const text = (placeholder: string, takes = "a text that is not empty"): Kind<string> => ({
  schema: z.string().min(1),
  takes,
  placeholder,
  words: [],
  fromText: (given) => given,
});

/** On or off: `--flag` and `--no-flag`. */
export const toggle: Kind<boolean> = {
  schema: z.boolean(),
  takes: "true or false",
  placeholder: "",
  words: ["true", "false"],
  fromText: (given) => (given === "true" ? true : given === "false" ? false : given),
};

const commaSeparated = (given: string): string[] => given.split(",").map((item) => item.trim());

/** Names separated by commas; a list in YAML. */
export const names = (placeholder: string): Kind<readonly string[]> => ({
  schema: z.array(z.string().min(1)).min(1),
  takes: "names separated by commas",
  placeholder,
  words: [],
  fromText: commaSeparated,
});

/** A text that is not empty, or several: the flag may be given more than once. */
export const texts = (placeholder: string): Kind<readonly string[]> => ({
  schema: z.array(z.string().min(1)).min(1),
  takes: "a text that is not empty; given several times, several",
  placeholder,
  words: [],
  isRepeated: true,
  fromText: (given) => [given],
});

/** A switch that has a third position: `--flag`, `--no-flag`, `--flag=WORD`. */
export const toggleOr = <const W extends string>(word: W): Kind<boolean | W> => ({
  schema: z.union([z.boolean(), z.literal(word)]),
  takes: `true, false or ${word}`,
  placeholder: "",
  words: ["true", "false", word],
  fromText: toggle.fromText,
});

/** A switch that can be turned on with a number: `--flag`, `--no-flag`, `--flag=N`. */
export const toggleOrNumber = (schema: z.ZodType<number>, takes: string): Kind<boolean | number> => ({
  schema: z.union([z.boolean(), schema]),
  takes: `true, false or ${takes}`,
  placeholder: "",
  words: ["true", "false"],
  fromText: (given) => (WHOLE.test(given) ? Number(given) : toggle.fromText(given)),
});
const WHOLE = /^\d+$/;

/** Module names (a list), or one regular expression or `all-linear` (a string). */
export const modules: Kind<string | readonly string[]> = {
  schema: z.union([z.string().min(1).refine(isPattern), z.array(z.string().min(1)).min(1)]),
  takes: "module names separated by commas, one regular expression, or all-linear",
  placeholder: "NAMES|REGEX",
  words: [],
  fromText: (given) => (given !== "all-linear" && /^[\w.,\s-]+$/.test(given) ? commaSeparated(given) : given),
};

/** A number for each regular expression over module paths: `query=4,value=16`; a mapping in YAML. */
export const pattern = (value: Kind<number>): Kind<Readonly<Record<string, number>>> => ({
  schema: wholeRecord(z.record(z.string().refine(isPattern), value.schema)),
  takes: `pairs of a regular expression and ${value.takes}, like query=4,value=16`,
  placeholder: "REGEX=N,…",
  words: [],
  fromText: (given) =>
    Object.fromEntries(
      commaSeparated(given).map((pair) => {
        const cut = pair.lastIndexOf("=");
        return [pair.slice(0, Math.max(cut, 0)), numeric(pair.slice(cut + 1))];
      }),
    ),
});

/** `a, b or c`. */
export const alternatives = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

/**
 * The checked value of one option.
 * @param subject names the option in messages: `--rank`, or `rank in run.yaml, line 3,`
 * @throws UsageError with one sentence that says what the option takes and what came
 */
export function checkValue<T>(option: Kind<T>, given: unknown, subject: string): T {
  const result = option.schema.safeParse(typeof given === "string" ? option.fromText(given) : given);
  if (result.success) return result.data;
  const hint = typeof given === "string" ? didYouMean(given, option.words) : "";
  throw new UsageError(`${subject} takes ${option.takes}; got ${shown(given)}.${hint}`);
}

/** The part of a table that a command shares with another. */
export function pick<Table extends OptionTable, K extends keyof Table>(table: Table, ...keys: K[]): Pick<Table, K> {
  return Object.fromEntries(keys.map((key) => [key, table[key]])) as Pick<Table, K>;
}

/** The same options under another heading. */
export function inGroup<Table extends OptionTable>(group: string, table: Table): Table {
  return Object.fromEntries(Object.entries(table).map(([key, option]) => [key, { ...option, group }])) as Table;
}

/** The same options, which `--help` leaves to another command's. */
export function asRare<Table extends OptionTable>(table: Table): Table {
  return Object.fromEntries(
    Object.entries(table).map(([key, option]) => [key, { ...option, advanced: true, rare: true }]),
  ) as Table;
}

/** A table without some of its options, or settings without those of some. */
export function omit<T extends object, K extends keyof T>(from: T, ...keys: readonly K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(from).filter(([key]) => !keys.includes(key as K))) as Omit<T, K>;
}

/** Fills in the defaults that the table declares. */
export function withDefaults<Table extends OptionTable>(table: Table, given: Given<Table>): Values<Table> {
  const defaults = Object.entries(table).map(([key, option]) => [key, option.default] as const);
  return { ...Object.fromEntries(defaults), ...given } as Values<Table>;
}
