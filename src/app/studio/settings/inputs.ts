/** Settings as texts of a form: which input fits a kind of value, and the way from a text to a value and back. */
import { checkValue, flagOf, type Option } from "../../../base/settings/index.js";

/** How a setting is given on a page. */
export type InputKind = "switch" | "choice" | "number" | "text";

/** The input that fits. A list of words that is not all that can be given becomes a text with suggestions. */
export function inputKind({ words = [], schema, fromText, placeholder }: Option): InputKind {
  const takesNumber = schema.safeParse(1).success || schema.safeParse(0.5).success;
  if (words.length === 0) return takesNumber ? "number" : "text";
  const isSingle = words.every((word) => !Array.isArray(fromText(word)));
  if (takesNumber || !isSingle) return "text";
  return placeholder === "" ? "switch" : "choice";
}

/** A value as people type it: what `valueFrom` reads back. */
export function textOf(value: unknown): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value !== "object") return String(value);
  return Object.entries(value as object)
    .map((pair) => pair.join("="))
    .join(", ");
}

/** @returns undefined for an empty text: the default @throws UsageError for a text that the setting does not take */
export function valueFrom(key: string, option: Option, text: string): unknown {
  return text.trim() === "" ? undefined : checkValue(option, text.trim(), flagOf(key));
}

const WORDS: Readonly<Record<string, string>> = { true: "yes", false: "no" };

/** A word of a choice as a page shows it. */
export const shownWord = (word: string): string => WORDS[word] ?? word;

/** `learningRate` -> `Learning rate`. */
export function labelOf(key: string): string {
  const words = flagOf(key).slice("--".length).replaceAll("-", " ");
  return words[0]!.toUpperCase() + words.slice(1);
}
