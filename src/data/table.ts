/** Rows with named columns, as CSV, TSV, JSONL and Parquet files give them. */
export interface Table {
  readonly file: string;
  readonly columns: readonly string[];
  readonly rows: readonly TableRow[];
}

/** A row of a table: its values by column. */
export interface TableRow {
  /** Counted from 1; for Parquet the number of the row. */
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
}
