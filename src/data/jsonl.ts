import { BidoraError } from "../common/errors.js";
import { duplicateKeyIn } from "../common/keys.js";
import type { Table, TableRow } from "./table.js";
import { readLines, rowError } from "./textFile.js";

/**
 * One JSON object a line; blank lines are passed over. The columns are all keys that occur.
 * @throws BidoraError naming the line that isn't an object, or in which an object has a key twice.
 */
export async function readJsonl(file: string): Promise<Table> {
  const rows: TableRow[] = [];
  const columns = new Set<string>();
  let number = 0;
  for await (const lines of readLines(file)) {
    for (const line of lines) {
      number++;
      if (line.trim() === "") continue;
      if (rows.length === 0 && line.trimStart().startsWith("[")) throw arrayError(file, number);
      const values = parseObject(file, number, line);
      for (const column of Object.keys(values)) columns.add(column);
      rows.push({ line: number, values });
    }
  }
  return { file, columns: [...columns], rows };
}

function arrayError(file: string, line: number): BidoraError {
  return new BidoraError(
    "BAD_FILE",
    `${file} line ${line}: expected one JSON object a line (JSONL), but a JSON array begins.`,
  );
}

function parseObject(file: string, line: number, json: string): TableRow["values"] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw rowError(file, line, `not valid JSON (${(cause as Error).message}); each line must hold one JSON object.`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw rowError(file, line, 'expected a JSON object, such as {"text": "…", "label": "…"}.');
  const twice = duplicateKeyIn(json, value);
  if (twice === undefined) return value as TableRow["values"];
  throw rowError(file, line, `an object has the key ${JSON.stringify(twice)} twice: leave one of them there.`);
}
