import { ggufError } from "./error.js";
import type { GgufMetadata } from "./metadata.js";

/** Reads the keys that have the architecture's name before them. */
export class ArchitectureKeys {
  constructor(
    readonly metadata: GgufMetadata,
    private readonly prefix: string,
  ) {}

  name(key: string): string {
    return `${this.prefix}.${key}`;
  }

  count(key: string): number {
    return this.metadata.required(this.name(key), this.optionalCount(key));
  }

  optionalCount(key: string): number | undefined {
    return this.metadata.count(this.name(key));
  }

  number(key: string): number {
    return this.metadata.required(this.name(key), this.optionalNumber(key));
  }

  optionalNumber(key: string): number | undefined {
    return this.metadata.number(this.name(key));
  }

  optionalFlag(key: string): boolean | undefined {
    return this.metadata.flag(this.name(key));
  }

  optionalText(key: string): string | undefined {
    return this.metadata.text(this.name(key));
  }

  /** The parts of the keys after `start`. */
  under(start: string): string[] {
    const whole = this.name(start);
    return this.metadata.keys.filter((key) => key.startsWith(whole)).map((key) => key.slice(whole.length));
  }

  fault(key: string, what: string): Error {
    return ggufError(this.metadata.path, `${this.name(key)} ${what}`);
  }
}
