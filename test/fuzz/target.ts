// What can be fuzzed: where inputs come from, and what is done with one.
import type fc from "fast-check";

/** A value that JSON can hold. Bytes are strings of one character per byte (Latin-1). */
export type Input = string | number | boolean | null | readonly Input[] | { readonly [key: string]: Input };

/** A part of bidora that takes input from outside. */
export interface Target<T extends Input = Input> {
  readonly name: string;
  readonly inputs: fc.Arbitrary<T>;
  /** How many inputs the tests give it; the others are for npm run fuzz. */
  readonly inTests: number;
  /** Opens what all inputs share. */
  open?(): Promise<void>;
  /** Gives the input to bidora. Throws what bidora throws. */
  run(input: T): unknown;
  /** Releases what all inputs share. */
  close?(): Promise<void>;
}

/** Checks the type of a target's inputs. */
// biome-ignore lint/suspicious/noExplicitAny: targets with inputs of all types are in one list
export const target = <T extends Input>(target: Target<T>): Target<any> => target;
