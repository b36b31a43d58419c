import type { Texts } from "../../text/index.js";

/** Where an example is: its file and line, from 1 (in Parquet its row number). A prompt passed to a call has a name and line 0. */
export interface Location {
  readonly file: string;
  readonly line: number;
}

/** A row as a task reads it: the model's input and the label, by its name in the file; examples to predict have none. */
export interface Example<Input = unknown, Label = unknown> {
  readonly input: Input;
  readonly label: Label | undefined;
  readonly at: Location;
}

/** One or two texts, with a label. */
export type TextExample<Label = unknown> = Example<Texts, Label>;

/** A list of words with a label for each. */
export type WordsExample = Example<readonly string[], readonly string[]>;

/** The examples of one source. */
export interface Dataset<E extends Example = Example> {
  readonly examples: readonly E[];
  /** All label names in order, if the source defines them; else they follow from the examples. */
  readonly labelNames: readonly string[] | undefined;
  /** The names of the columns that were read, if the file has them. */
  readonly columns?: { readonly text: readonly string[]; readonly label: readonly string[] | undefined };
}

/** In place of a file, for examples that are in memory. */
export const IN_MEMORY = "the input";

/** The place of an example in errors. */
export function where({ file, line }: Location): string {
  if (file === IN_MEMORY) return `Row ${line}`;
  return line === 0 ? file : `${file} line ${line}`;
}
