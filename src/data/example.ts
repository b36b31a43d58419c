/** Where a row stands: the file and its line, counted from 1 (for Parquet: its row). */
export interface Location {
  readonly file: string;
  readonly line: number;
}

export interface TextExample {
  readonly kind: "text";
  /** One text, or a pair. */
  readonly texts: readonly [string] | readonly [string, string];
  /** A name or class number, a number to predict, a list of names, or nothing (in rows to predict). */
  readonly label: string | number | readonly string[] | undefined;
  readonly at: Location;
}

export interface WordsExample {
  readonly kind: "words";
  readonly tokens: readonly string[];
  /** A label for each token. */
  readonly labels: readonly string[] | undefined;
  readonly at: Location;
}

export type Example = TextExample | WordsExample;

export interface Dataset<E extends Example = Example> {
  readonly examples: readonly E[];
  /** All label names in their order, where the source itself says so; else they are taken from the rows. */
  readonly labelNames: readonly string[] | undefined;
  /** The columns that were read, where the file has names for them. */
  readonly columns?: { readonly text: readonly string[]; readonly label: readonly string[] | undefined };
}

export function place({ file, line }: Location): string {
  return `${file} line ${line}`;
}
