import { writeFileSync } from "node:fs";

/** Writes rows of two labels, all of the same number of tokens, so that no side pads: a word is one token, and two are added. */
export function writeEqualRows(file: string, tokens: number): string {
  const words = ["time", "people", "year", "work", "house", "water", "money", "story", "city", "night"];
  const text = (row: number) =>
    Array.from({ length: tokens - 2 }, (_, i) => words[(row + i * (row + 1)) % 10]).join(" ");
  const lines = Array.from({ length: 64 }, (_, row) => `${JSON.stringify({ text: text(row), label: row % 2 })}\n`);
  writeFileSync(file, lines.join(""));
  return file;
}
