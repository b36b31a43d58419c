/** Kinds of values that an option takes, each with its check, its form on the command line, and the words that describe it. */

import { z } from "zod";
import { own } from "../collections.js";
import { UsageError } from "../errors.js";
import { didYouMean, shown } from "../messages.js";
import { isPattern } from "../patterns.js";
import type { Schema } from "../schema.js";
import { wholeRecord } from "../wholeRecord.js";

/** A kind of value. */
export interface Kind<T> {
  readonly schema: Schema<T>;
  /** Completes the sentence "--rank takes …". */
  readonly takes: string;
  /** Shown in place of the value in help texts; empty for switches, which take none. */
  readonly placeholder: string;
  /** The words allowed, if the kind has such a list. */
  readonly words?: readonly string[];
  /** The flag may be given several times and collects all values; of any other flag the last value counts. */
  readonly isRepeated?: boolean;
  /** Turns one word of the command line into what the schema checks. */
  fromText(text: string): unknown;
  /** A regular expression for texts that `fromText` turns into an accepted list or mapping; of other kinds the schema says which texts fit. */
  readonly textPattern?: string;
}

const numeric = (text: string): unknown => (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text));

/** A whole number of at least `least`. */
export const whole = (least: number): Kind<number> => ({
  schema: z.int().min(least),
  takes: `a whole number of at least ${least}`,
  placeholder: "N",
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
  return { schema, takes, placeholder: "X", fromText: numeric };
}

/** One of the words. @param former words that earlier versions took, and wrote into `run.yaml`, for these */
export const choice = <const W extends readonly string[]>(
  words: W,
  former: Readonly<Record<string, W[number]>> = {},
): Kind<W[number]> => ({
  schema: z.enum(words),
  takes: alternatives(words),
  placeholder: words.join("|"),
  words,
  fromText: (text) => own(former, text) ?? text,
});

/** A regular expression for one or more items, separated by commas. */
export const separated = (item: string): string => String.raw`^\s*${item}\s*(,\s*${item}\s*)*$`;

/** The same for any non-empty items. */
const SEPARATED = separated(String.raw`[^,\s]([^,]*[^,\s])?`);

/** Some of the words, separated by commas; a list in YAML. */
export const choices = <const W extends readonly string[]>(words: W): Kind<readonly W[number][]> => ({
  schema: z.array(z.enum(words)).min(1),
  takes: words.length < 2 ? alternatives(words) : `one or more of ${words.join(", ")}, separated by commas`,
  placeholder: words.join("|"),
  words,
  fromText: commaSeparated,
  textPattern: separated(`(${words.join("|")})`),
});

/** One of the words, or a number of at least 0. */
export const choiceOrNumber = <const W extends readonly string[]>(words: W): Kind<W[number] | number> => ({
  schema: z.union([z.enum(words), z.number().min(0)]),
  takes: alternatives([...words, "a number of at least 0"]),
  placeholder: `${words.join("|")}|X`,
  words,
  fromText: numeric,
});

/** A non-empty string. */
export const text = (placeholder: string, takes = "a non-empty string"): Kind<string> => ({
  schema: z.string().min(1),
  takes,
  placeholder,
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
  fromText: commaSeparated,
  textPattern: SEPARATED,
});

/** Different whole numbers of at least 1, separated by commas; a list in YAML. */
export const wholes: Kind<readonly number[]> = {
  schema: z
    .array(z.int().min(1))
    .min(1)
    .refine((list) => new Set(list).size === list.length),
  takes: "different whole numbers of at least 1, separated by commas",
  placeholder: "N[,N…]",
  fromText: (given) => commaSeparated(given).map(numeric),
  textPattern: separated(String.raw`0*[1-9]\d*`),
};

/** One or more non-empty strings: the flag may be given more than once. */
export const texts = (placeholder: string): Kind<readonly string[]> => ({
  schema: z.array(z.string().min(1)).min(1),
  takes: "a non-empty string (repeatable)",
  placeholder,
  isRepeated: true,
  fromText: (given) => [given],
  textPattern: String.raw`[\s\S]`,
});

/** The words of another command, which may be empty. */
export const words = (placeholder: string): Kind<readonly string[]> => ({
  ...texts(placeholder),
  schema: z.array(z.string()).min(1),
  takes: "words",
});

/** A switch with a third position: `--flag`, `--no-flag`, `--flag=WORD`. */
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
  fromText: (given) => (given !== "all-linear" && /^[\w.,\s-]+$/.test(given) ? commaSeparated(given) : given),
  textPattern: String.raw`${SEPARATED}|[^\w.,\s-]`,
};

/**
 * A number for each regular expression over module paths: `query=4,value=16`; a mapping in YAML.
 * @param numeral a regular expression for the number
 */
export const pattern = (value: Kind<number>, numeral: string): Kind<Readonly<Record<string, number>>> => ({
  schema: wholeRecord(z.record(z.string().refine(isPattern), value.schema as z.ZodType<number>)),
  takes: `pairs of a regular expression and ${value.takes}, like query=4,value=16`,
  placeholder: "REGEX=N,…",
  fromText(given) {
    const pairs = commaSeparated(given);
    if (pairs.some((pair) => pair.lastIndexOf("=") < 1)) return given;
    return Object.fromEntries(
      pairs.map((pair) => {
        const cut = pair.lastIndexOf("=");
        return [pair.slice(0, cut), numeric(pair.slice(cut + 1))];
      }),
    );
  },
  textPattern: separated(String.raw`[^,\s][^,]*=\s*${numeral}`),
});

/** `a, b or c`. */
export const alternatives = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;

/** The nearest word to the first item that is none of them; items are separated by commas or in a list. */
function hintFor(given: unknown, words: readonly string[]): string {
  const items = typeof given === "string" ? commaSeparated(given) : Array.isArray(given) ? given : [];
  const wrong = items.find((item) => !words.includes(item));
  return typeof wrong === "string" ? didYouMean(wrong, words) : "";
}

/**
 * The checked value of one option.
 * @param subject names the option in messages: `--rank`, or `rank in run.yaml, line 3,`
 * @throws UsageError with one sentence that says what the option takes and what it got
 */
export function checkValue<T>(option: Kind<T>, given: unknown, subject: string): T {
  const result = option.schema.safeParse(typeof given === "string" ? option.fromText(given) : given);
  if (result.success) return result.data;
  throw new UsageError(`${subject} takes ${option.takes}; got ${shown(given)}.${hintFor(given, option.words ?? [])}`);
}
