import { BidoraError } from "../common/errors.js";
import type { JsonObject, JsonValue } from "../io/json.js";

/** Typed reading of a `config.json`: an absent key and `null` give the default; anything of another kind is an error that names it. */
export class ConfigReader {
  constructor(private readonly json: JsonObject) {}

  /** A whole number of at least 1. */
  count(key: string, fallback: number): number {
    return this.read(
      key,
      fallback,
      "a whole number of at least 1",
      (value) => Number.isInteger(value) && Number(value) > 0,
    );
  }

  /** A token's number. */
  id(key: string, fallback: number, vocabSize: number): number {
    const isId = (value: JsonValue) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < vocabSize;
    return this.read(key, fallback, `a token id below vocab_size (${vocabSize})`, isId);
  }

  /** A finite number of at least 0. */
  number(key: string, fallback: number): number {
    return this.read(key, fallback, "a number of at least 0", (value) => Number.isFinite(value) && Number(value) >= 0);
  }

  /** A dropout probability. */
  probability(key: string, fallback: number): number {
    const isProbability = (value: JsonValue) => typeof value === "number" && value >= 0 && value <= 1;
    return this.read(key, fallback, "a probability", isProbability);
  }

  text(key: string, fallback: string): string {
    return this.read(key, fallback, "a string", (value) => typeof value === "string");
  }

  /** Refuses every value of `key` but the one that is supported, which is also the default. */
  only(key: string, supported: string | boolean): void {
    const value = this.json[key] ?? supported;
    if (value === supported) return;
    const found = JSON.stringify(value);
    throw configError(`${key} ${found} is not supported; expected ${JSON.stringify(supported)} or no such key.`);
  }

  /** A `count` that is a multiple of the one at `divisor`, such as a size that is shared out among heads. */
  multiple(key: string, fallback: number, divisor: readonly [key: string, count: number]): number {
    const count = this.count(key, fallback);
    if (count % divisor[1] === 0) return count;
    throw configError(`${key} (${count}) must be a multiple of ${divisor[0]} (${divisor[1]}), but is not.`);
  }

  private read<T extends JsonValue>(
    key: string,
    fallback: T,
    wanted: string,
    accepts: (value: JsonValue) => boolean,
  ): T {
    const value = this.json[key] ?? fallback;
    if (!accepts(value)) throw configError(`${key} must be ${wanted}, but is ${JSON.stringify(value)}.`);
    return value as T;
  }
}

/** An error about the model's `config.json`. */
export function configError(sentence: string): BidoraError {
  return new BidoraError("CONFIG", `The model's config.json: ${sentence}`);
}
