import { readFileSync, writeFileSync } from "node:fs";
import { freshPath } from "./workFolder.js";

/** A copy of a file of JSON lines whose rows have a source in the column `from`. */
export function withSources(path: string, names: readonly string[] = ["a", "b", "b"]): string {
  const copy = freshPath("sources.jsonl");
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  const rows = lines.map((line, i) => ({ ...(JSON.parse(line) as object), from: names[i % names.length] }));
  writeFileSync(copy, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return copy;
}
