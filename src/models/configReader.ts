// Reading and checking a `config.json`.

import { BidoraError } from "../base/index.js";
import type { JsonObject, JsonValue } from "../base/records/index.js";

/** Typed access to a `config.json`: the default for a missing key or `null`, an error that names the key for an invalid value. */
export class ConfigReader {
  /** @param path of the object within the file, with a trailing dot */
  constructor(
    private readonly json: JsonObject,
    private readonly path = "",
  ) {}

  /** Whether the key has a value other than null. */
  has(key: string): boolean {
    return (this.json[key] ?? null) !== null;
  }

  /** Whether the key's value is null, which is not its default where transformers tells null from a missing key. */
  isNull(key: string): boolean {
    return this.json[key] === null;
  }

  /** A positive integer. */
  count(key: string, fallback?: number): number {
    return this.read(
      key,
      fallback,
      "a whole number of at least 1",
      (value) => Number.isInteger(value) && Number(value) > 0,
    );
  }

  /** An integer; undefined for values below 1, which mean none. */
  countOrNone(key: string): number | undefined {
    const value = this.read(key, -1, "a whole number", (found) => Number.isInteger(found));
    return value < 1 ? undefined : value;
  }

  /** A non-negative integer. */
  wholeNumber(key: string, fallback?: number): number {
    const isWhole = (value: JsonValue) => Number.isInteger(value) && Number(value) >= 0;
    return this.read(key, fallback, "a whole number of at least 0", isWhole);
  }

  /** A list of `count` words, each one of `choices`. */
  choices<Choice extends string>(key: string, count: number, choices: readonly Choice[]): readonly Choice[] {
    const isChoice = (value: JsonValue) => choices.some((choice) => choice === value);
    return this.read<readonly Choice[] & JsonValue>(
      key,
      undefined,
      `a list of ${count} words out of ${choices.join(", ")}`,
      (value) => Array.isArray(value) && value.length === count && value.every(isChoice),
    );
  }

  /** Refuses a key whose meaning is not supported. */
  absent(key: string): void {
    if (this.has(key)) throw configError(`${this.path}${key} is not supported; expected no such key.`);
  }

  /** A token id. */
  id(key: string, fallback: number, vocabSize: number): number {
    const isId = (value: JsonValue) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < vocabSize;
    return this.read(key, fallback, `a token id below vocab_size (${vocabSize})`, isId);
  }

  /** A finite, non-negative number. */
  number(key: string, fallback: number): number {
    return this.read(key, fallback, "a number of at least 0", (value) => Number.isFinite(value) && Number(value) >= 0);
  }

  /** A dropout probability. */
  probability(key: string, fallback: number): number {
    const isProbability = (value: JsonValue) => typeof value === "number" && value >= 0 && value <= 1;
    return this.read(key, fallback, "a probability", isProbability);
  }

  /** A finite, positive number. */
  positive(key: string, fallback?: number): number {
    return this.read(key, fallback, "a number above 0", (value) => Number.isFinite(value) && Number(value) > 0);
  }

  /** A list of `count` finite, positive numbers. */
  positives(key: string, count: number): readonly number[] {
    const isPositive = (value: JsonValue) => Number.isFinite(value) && Number(value) > 0;
    return this.read<readonly number[] & JsonValue>(
      key,
      undefined,
      `a list of ${count} numbers above 0`,
      (value) => Array.isArray(value) && value.length === count && value.every(isPositive),
    );
  }

  /** The first `count` values of a list of zeros and ones, which may be longer. */
  bits(key: string, count: number): readonly boolean[] {
    const isBits = (value: JsonValue) =>
      Array.isArray(value) && value.length >= count && value.every((bit) => bit === 0 || bit === 1);
    const wanted = `a list of at least ${count} numbers that are 0 or 1`;
    const bits = this.read<readonly number[] & JsonValue>(key, undefined, wanted, isBits);
    return bits.slice(0, count).map((bit) => bit === 1);
  }

  flag(key: string, fallback: boolean): boolean {
    return this.read(key, fallback, "true or false", (value) => typeof value === "boolean");
  }

  text(key: string, fallback: string): string {
    return this.read(key, fallback, "a string", (value) => typeof value === "string");
  }

  /** Refuses every value of `key` except the supported one, which is also the default. */
  only(key: string, supported: string | number | boolean): void {
    const value = this.json[key] ?? supported;
    if (value === supported) return;
    const found = JSON.stringify(value);
    throw configError(
      `${this.path}${key} ${found} is not supported; expected ${JSON.stringify(supported)} or no such key.`,
    );
  }

  /** A `count` that must be a multiple of another key's value, such as a size that is split into heads. */
  multiple(key: string, fallback: number, divisor: readonly [key: string, count: number]): number {
    const count = this.count(key, fallback);
    if (count % divisor[1] === 0) return count;
    throw configError(`${this.path}${key} (${count}) must be a multiple of ${divisor[0]} (${divisor[1]}), but is not.`);
  }

  private read<T extends JsonValue>(
    key: string,
    fallback: T | undefined,
    wanted: string,
    accepts: (value: JsonValue) => boolean,
  ): T {
    const value = this.json[key] ?? fallback;
    if (value === undefined) throw configError(`${this.path}${key} must be ${wanted}, but is missing.`);
    if (!accepts(value)) throw configError(`${this.path}${key} must be ${wanted}, but is ${JSON.stringify(value)}.`);
    return value as T;
  }
}

/** Renames the common names of sizes to a model's own; as in transformers, the common ones take precedence. */
export function withOwnNames(json: JsonObject, names: Readonly<Record<string, string>>): JsonObject {
  const given = Object.entries(names).filter(([common]) => (json[common] ?? null) !== null);
  return { ...json, ...Object.fromEntries(given.map(([common, own]) => [own, json[common]!])) };
}

/** An error about the model's `config.json`. */
export function configError(sentence: string): BidoraError {
  return new BidoraError("CONFIG", `The model's config.json: ${sentence}`);
}

/** Whether a layer attends to all tokens or to a sliding window. */
export const LAYER_TYPES = ["full_attention", "sliding_attention"] as const;
export type LayerType = (typeof LAYER_TYPES)[number];

/**
 * The layer types listed in `layer_types`.
 * @param otherwise the type of a layer if there is no list
 */
export function layerTypes(
  read: ConfigReader,
  layers: number,
  otherwise: (layer: number) => LayerType,
): readonly LayerType[] {
  if (!read.has("layer_types")) return Array.from({ length: layers }, (_, layer) => otherwise(layer));
  return read.choices("layer_types", layers, LAYER_TYPES);
}
