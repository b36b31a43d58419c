import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { fresh } from "../e2e/support.js";

const SCRIPTS = fileURLToPath(new URL("../../scripts/", import.meta.url));
const script = (name: string, ...words: readonly string[]) =>
  spawnSync(process.execPath, [join(SCRIPTS, name), ...words], { encoding: "utf8" });

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = fresh("study");
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

describe("flip-labels", () => {
  const COUNT = 400;
  const rowsOf = (text: string) => text.split("\n").slice(1, COUNT + 1);
  const sst2 = Array.from({ length: COUNT }, (_, i) => `row ${i} \t${i % 2}`).join("\n");
  const folder = folderWith({ "train.tsv": `sentence\tlabel\n${sst2}\n`, "dev.tsv": "sentence\tlabel\na\t1\n" });
  const flipped = (share: string, from = folder) => {
    const output = fresh("flipped");
    expect(script("flip-labels.js", from, share, output).status).toBe(0);
    expect(readFileSync(join(output, "dev.tsv"), "utf8")).toBe(readFileSync(join(from, "dev.tsv"), "utf8"));
    return readFileSync(join(output, "train.tsv"), "utf8");
  };

  test("flips about the given share of the training labels, the same ones in every call and in every larger share", () => {
    const whole = rowsOf(flipped("0"));
    expect(whole).toEqual(sst2.split("\n"));
    const changed = (share: string) => rowsOf(flipped(share)).flatMap((row, i) => (row === whole[i] ? [] : i));
    const [few, more] = [changed("0.1"), changed("0.3")];
    expect(few.length).toBeGreaterThan(20);
    expect(few.length).toBeLessThan(60);
    expect(more).toEqual(expect.arrayContaining(few));
    expect(changed("0.1")).toEqual(few);
    expect(rowsOf(flipped("1")).map((row) => row.at(-1))).toEqual(whole.map((row) => (row.endsWith("1") ? "0" : "1")));
  });

  test("finds the label in MRPC's first column, after a byte order mark", () => {
    const header = "\uFEFFQuality\t#1 ID\t#2 ID\t#1 String\t#2 String";
    const mrpc = folderWith({ "train.tsv": `${header}\r\n1\t2\t3\ta\tb\r\n`, "dev.tsv": header });
    expect(flipped("1", mrpc)).toBe(`${header}\r\n0\t2\t3\ta\tb\r\n`);
  });

  test("prints its usage", () => {
    expect(script("flip-labels.js", folder, "2", "x")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("Usage"),
    });
  });
});

test("first-meanings keeps every reference of the first meanings, with quotes and line breaks", () => {
  const rows = ['a,"one ""1"""', "b,two", 'a,"an\nother"', "c,three"];
  const folder = folderWith({
    "trainset.csv": "mr,ref\r\nx,y\r\n",
    "devset.csv": `mr,ref\r\n${rows.join("\r\n")}\r\n`,
  });
  const output = fresh("meanings");
  expect(script("first-meanings.js", folder, "2", output).status).toBe(0);
  expect(readFileSync(join(output, "devset.csv"), "utf8")).toBe(
    'mr,ref\r\n"a","one ""1"""\r\n"b","two"\r\n"a","an\nother"\r\n',
  );
  expect(readFileSync(join(output, "trainset.csv"), "utf8")).toBe("mr,ref\r\nx,y\r\n");
});
