import { BidoraError } from "../errors.js";
import type { Table, TableRow } from "./table.js";
import { readTextFile, rowError, splitLines } from "./textFile.js";

/**
 * One JSON object a line; blank lines are passed over. The columns are all keys that occur.
 * @throws BidoraError naming the line that isn't an object.
 */
export async function readJsonl(file: string): Promise<Table> {
  const text = await readTextFile(file);
  if (text.trimStart().startsWith("[")) {
    throw new BidoraError(
      "BAD_FILE",
      `${file} line 1: expected one JSON object a line (JSONL), but a JSON array begins.`,
    );
  }
  const rows: TableRow[] = [];
  const columns = new Set<string>();
  for (const [i, line] of splitLines(text).entries()) {
    if (line.trim() === "") continue;
    const values = parseObject(file, i + 1, line);
    for (const column of Object.keys(values)) columns.add(column);
    rows.push({ line: i + 1, values });
  }
  return { file, columns: [...columns], rows };
}

function parseObject(file: string, line: number, json: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw rowError(file, line, `not valid JSON (${(cause as Error).message}); each line must hold one JSON object.`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw rowError(file, line, 'expected a JSON object, such as {"text": "…", "label": "…"}.');
}
