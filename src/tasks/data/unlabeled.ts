/** Rows without a label. */
import { BidoraError, type CallContext, own } from "../../base/index.js";
import { isAbsent, type Table } from "./table.js";

/** Whether rows need labels, and what becomes of those without one. */
export interface UnlabeledOptions extends Pick<CallContext, "onNote"> {
  /** By default required. */
  readonly labels?: "required" | "optional";
  /** Leaves rows without a label out, with a note, instead of refusing them; undefined where the user has no such choice. */
  readonly dropUnlabeled?: boolean | undefined;
}

/** How many lines a message names. */
const NAMED_LINES = 5;

/**
 * The rows with a label, where labels are required.
 * @param columns of the label: a row without a value in any of them has none
 * @throws BidoraError `NO_LABEL` naming the first rows without one, if they are not dropped, or there are no others
 */
export function labeledRows(
  table: Table,
  columns: readonly string[] = [],
  { labels = "required", dropUnlabeled, onNote }: UnlabeledOptions,
): Table {
  const { file, rows } = table;
  if (labels === "optional" || columns.length === 0) return table;
  const isLabeled = ({ values }: Table["rows"][number]) => columns.some((name) => !isAbsent(own(values, name)));
  const without = rows.filter((row) => !isLabeled(row)).map(({ line }) => line);
  if (without.length === 0) return table;
  const where = columns.length === 1 ? `in the column ${columns[0]}` : `in the columns ${columns.join(", ")}`;
  if (without.length === rows.length)
    throw noLabel(file, `no row has a label ${where}: name another column with --label-column.`);
  const lines = `${without.slice(0, NAMED_LINES).join(", ")}${without.length > NAMED_LINES ? ", …" : ""}`;
  const [have, lineOr] = without.length === 1 ? ["has", "line"] : ["have", "lines"];
  const found = `${without.length} of ${rows.length} rows ${have} no label ${where} (${lineOr} ${lines})`;
  if (dropUnlabeled) {
    onNote?.(`${file}: ${found}; ${without.length === 1 ? "it is" : "they are"} left out.`);
    return { ...table, rows: rows.filter(isLabeled) };
  }
  const or = dropUnlabeled === undefined ? "remove these rows" : "leave these rows out with --drop-unlabeled";
  throw noLabel(file, `${found}: write the labels, or ${or}.`);
}

const noLabel = (file: string, fault: string): BidoraError => new BidoraError("NO_LABEL", `${file}: ${fault}`);
