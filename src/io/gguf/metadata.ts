import { ggufError } from "./error.js";
import type { GgufValue, Scalar } from "./values.js";

/** Typed reading of a file's metadata: a key that is absent gives undefined, a value of another kind is an error that names it. */
export class GgufMetadata {
  constructor(
    readonly path: string,
    private readonly values: ReadonlyMap<string, GgufValue>,
  ) {}

  get keys(): readonly string[] {
    return [...this.values.keys()];
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  /** The value as it stands in the file. */
  value(key: string): GgufValue | undefined {
    return this.values.get(key);
  }

  text(key: string): string | undefined {
    return this.#scalar(key, "a text", (value) => typeof value === "string");
  }

  flag(key: string): boolean | undefined {
    return this.#scalar(key, "true or false", (value) => typeof value === "boolean");
  }

  number(key: string): number | undefined {
    return this.#scalar(key, "a finite number", isNumber);
  }

  count(key: string): number | undefined {
    return this.#scalar(key, "a whole number from 0", isCount);
  }

  texts(key: string): readonly string[] | undefined {
    return this.#list(key, "a list of texts", (value) => typeof value === "string");
  }

  numbers(key: string): readonly number[] | undefined {
    return this.#list(key, "a list of finite numbers", isNumber);
  }

  /** @throws BidoraError `GGUF` where the key is absent */
  required<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw ggufError(this.path, `its metadata lack ${key}, which is needed.`);
    return value;
  }

  #scalar<T extends Scalar>(key: string, wanted: string, accepts: (value: Scalar) => value is T): T | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    if (found.type !== "array" && accepts(found.value)) return found.value;
    throw ggufError(this.path, `${key} must be ${wanted}, but is ${shown(found)}.`);
  }

  #list<T extends Scalar>(
    key: string,
    wanted: string,
    accepts: (value: Scalar) => value is T,
  ): readonly T[] | undefined {
    const found = this.values.get(key);
    if (found === undefined) return undefined;
    if (found.type === "array") {
      const { values } = found;
      if (values.every(accepts)) return values;
    }
    throw ggufError(this.path, `${key} must be ${wanted}, but is ${shown(found)}.`);
  }
}

const isNumber = (value: Scalar): value is number => typeof value === "number" && Number.isFinite(value);
const isCount = (value: Scalar): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function shown(found: GgufValue): string {
  return found.type === "array" ? `a list of ${found.of}` : `${found.type} ${String(found.value).slice(0, 80)}`;
}
