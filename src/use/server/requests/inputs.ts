/** Lists in requests, whose length is checked before their entries. */
import { z } from "zod";
import { isWellFormed } from "../../../text/index.js";

/** The most entries of a list of texts, messages or parts: OpenAI's. */
export const MOST_ENTRIES = 2048;

const HALF = "has half of a surrogate pair, which is no character: send whole characters";

export const aText = z.string().refine(isWellFormed, HALF);

const tooMany = (list: readonly unknown[], most: number): string =>
  `has ${list.length} entries, and the most is ${most}: send fewer`;

/** A list whose entries are not read if there are too many. */
export const listOf = <Entry extends z.ZodType>(entry: Entry, { least = 1, most = MOST_ENTRIES } = {}) =>
  z
    .unknown()
    .refine((value) => !Array.isArray(value) || value.length <= most, {
      error: ({ input }) => tooMany(input as readonly unknown[], most),
      abort: true,
    })
    .pipe(z.array(entry).min(least));

/** What a model computes for: a text, or token ids. */
export type Input = string | readonly number[];

const INPUTS = "a string or token ids, or a list of either";

/** One input or several, as a list. */
export const inputs = z.unknown().transform((value, context): readonly Input[] => {
  const list = listIn(value);
  const fault = list && faultIn(list);
  if (!list) context.addIssue({ code: "invalid_union", errors: [], input: value, message: INPUTS });
  if (fault !== undefined) context.addIssue({ code: "custom", input: value, message: fault });
  return list ?? z.NEVER;
});

function listIn(value: unknown): readonly Input[] | undefined {
  if (typeof value === "string" || areIds(value)) return [value];
  if (!Array.isArray(value) || value.length === 0) return undefined;
  return value.every((one) => typeof one === "string") || value.every(areIds) ? value : undefined;
}

const areIds = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((id) => Number.isSafeInteger(id) && id >= 0);

function faultIn(list: readonly Input[]): string | undefined {
  if (list.length > MOST_ENTRIES) return tooMany(list, MOST_ENTRIES);
  return list.every((one) => typeof one !== "string" || isWellFormed(one)) ? undefined : HALF;
}
