import { BidoraError } from "../common/errors.js";

/** One set of the GLUE benchmark, in its files as published: tab-separated, quotes are plain characters; or as on the Hub. */
export interface GlueSet {
  /** The folder's name in the benchmark's archive. */
  readonly folder: string;
  readonly textColumns: readonly [string] | readonly [string, string];
  readonly labelColumn: string;
  /** The file's spelling of each label, in the order of `labelNames`; undefined for scores. */
  readonly fileLabels?: readonly string[];
  /** Names of the columns of train and dev files that have no header row. */
  readonly header?: readonly string[];
  /** The files of the validation split, without `.tsv`; `dev` if not given. */
  readonly validation?: readonly string[];
  readonly test?: readonly string[];
  /** The published QQP has a few rows that a line break tore apart; other readers pass them over too. */
  readonly skipShortRows?: boolean;
  /** Its name on the Hub. */
  readonly configuration: string;
  /** The text columns there, where they have other names. */
  readonly hubColumns?: GlueSet["textColumns"];
}

/** @throws BidoraError for one that is not there */
export function requireColumns(
  { folder }: GlueSet,
  file: string,
  columns: readonly string[],
  needed: readonly string[],
): void {
  const missing = needed.find((column) => !columns.includes(column));
  if (missing === undefined) return;
  throw new BidoraError(
    "UNKNOWN_COLUMN",
    `${file} has no column ${missing} of GLUE's ${folder}; its columns are ${columns.join(", ")}.`,
  );
}
