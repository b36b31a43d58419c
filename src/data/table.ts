/** Rows with named columns, as CSV, TSV, JSONL and Parquet files give them. */
export interface Table {
  readonly file: string;
  readonly columns: readonly string[];
  readonly rows: readonly TableRow[];
}

export interface TableRow {
  /** Counted from 1; for Parquet the number of the row. */
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
}
