import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { fresh } from "../e2e/support.js";

const SCRIPTS = fileURLToPath(new URL("../../scripts/studies/", import.meta.url));
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

type Line = Readonly<Record<string, unknown>>;
const linesOf = (...path: readonly string[]): Line[] =>
  readFileSync(join(...path), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);

/** A folder of data in the sets' own forms; each label follows from its row's number. */
function dataFolder(): string {
  const data = fresh("data");
  const write = (path: string, count: number, row: (i: number) => string, header?: string) => {
    mkdirSync(join(data, path, ".."), { recursive: true });
    const lines = Array.from({ length: count }, (_, i) => row(i));
    writeFileSync(join(data, path), [...(header ? [header] : []), ...lines, ""].join("\n"));
  };
  const pairs = (name: string) => (i: number) => `1\t2\t3\t${name} ${i}\tother ${name} ${i}\t${i % 2}`;
  const forums = (from: string, each: number) => (i: number) =>
    `${i % each === 0 ? from : "main-news"}\ta\tb\t1\tc\td\tleft ${from} ${i}\tright ${from} ${i}\t${i % 6}`;
  write("glue/SST-2/train.tsv", 3000, (i) => `film ${i} \t${i % 2}`, "sentence\tlabel");
  write("glue/SST-2/dev.tsv", 40, (i) => `film ${i}\t${i % 2}`, "sentence\tlabel");
  write("glue/CoLA/train.tsv", 400, (i) => `x\t${i % 2}\t\tcola ${i}`);
  write("glue/MRPC/train.tsv", 2600, (i) => `${i % 2}\t1\t2\tmrpc ${i}\tother mrpc ${i}`, "\uFEFFQuality\t#1 ID");
  write("glue/QQP/train.subset.tsv", 1000, pairs("qqp"), "id\tqid1");
  write("glue/QQP/dev.subset.tsv", 50, pairs("qqp"), "id\tqid1");
  write("glue/STS-B/train.tsv", 4000, (i) => `${i}\t${forums("main-forum", 8)(i)}`, "index\tgenre");
  write("glue/STS-B/dev.tsv", 100, (i) => `${i}\t${forums("main-forums", 4)(i)}`, "index\tgenre");
  write("sms_spam/sms.tsv", 500, (i) => `${i % 2 ? "spam" : "ham"}\tsms ${i}`);
  return data;
}

describe("make-sources", () => {
  const output = fresh("sources");
  const made = script("make-sources.js", dataFolder(), output);
  const numberOf = (row: Line) => Number(/\d+/.exec(String(row.sentence))?.[0]);
  const labelsOf = (source: string) =>
    linesOf(output, "sources.jsonl")
      .filter((row) => row.source === source)
      .map((row) => (row.label === numberOf(row) % 2 ? "right" : "wrong"));

  test("gives each source its labels: true, a third wrong, all wrong, or those of other rows", () => {
    expect(made.status).toBe(0);
    const wrong = (source: string) => labelsOf(source).filter((label) => label === "wrong").length;
    for (const source of ["true", "cola", "mrpc", "qqp", "sms"])
      expect([source, labelsOf(source).length, wrong(source)]).toEqual([source, 250, 0]);
    expect([wrong("noisy"), wrong("inverted")]).toEqual([84, 250]);
    expect(Math.abs(wrong("shuffled") - 125)).toBeLessThan(40);
  });

  test("takes no row twice, and none of the development rows", () => {
    const parts = ["sources", "trusted-64", "tuning", "validation"].map((name) => linesOf(output, `${name}.jsonl`));
    const sentences = parts.flat().map(({ sentence }) => sentence);
    expect(new Set(sentences).size).toBe(sentences.length);
    expect(parts.map(({ length }) => length)).toEqual([2000, 64, 500, 40]);
    expect(linesOf(output, "trusted-32.jsonl")).toEqual(parts[1]!.slice(0, 32));
  });
});

test("make-shift takes the lower level's rows from the source, and all others from the target, none twice", () => {
  const output = fresh("shift");
  expect(script("make-shift.js", dataFolder(), output).status).toBe(0);
  const partsOf = (name: string) =>
    ["lower", "upper", "tuning", "validation"].map((part) => linesOf(output, name, `${part}.jsonl`));
  const [paraphrases, similarity] = [partsOf("paraphrases"), partsOf("similarity")];
  expect(paraphrases.map(({ length }) => length)).toEqual([2000, 200, 400, 50]);
  expect(similarity.map(({ length }) => length)).toEqual([2000, 200, 300, 25]);
  for (const [lower, ...others] of [paraphrases, similarity]) {
    expect(lower!.every(({ sentence1 }) => /mrpc|main-forum /.test(String(sentence1)))).toBe(true);
    const sentences = [lower!, ...others].flat().map(({ sentence1 }) => sentence1);
    expect(new Set(sentences).size).toBe(sentences.length);
  }
  expect(similarity[3]!.every(({ sentence1 }) => String(sentence1).includes("forums"))).toBe(true);
});

test("weigh-sources keeps a source's rows as far as a model agrees with its labels more often than by chance", () => {
  const rows = (source: string, labels: string) =>
    [...labels].map((label, i) => ({ sentence: `${source} ${i}`, label: Number(label), source }));
  const labeled = [...rows("good", "1111"), ...rows("half", "1100"), ...rows("bad", "0000"), ...rows("most", "1110")];
  const folder = folderWith({
    "sources.jsonl": labeled.map((row) => JSON.stringify(row)).join("\n"),
    "predictions.jsonl": labeled.map(() => JSON.stringify({ label: "1" })).join("\n"),
    "trusted.jsonl": JSON.stringify({ sentence: "trusted", label: 1 }),
  });
  const paths = ["sources", "predictions", "trusted", "kept"].map((name) => join(folder, `${name}.jsonl`));
  expect(script("weigh-sources.js", ...paths)).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("most: agreement 0.750, share of rows 0.500"),
  });
  expect(linesOf(folder, "kept.jsonl").map(({ sentence }) => sentence)).toEqual([
    ...["good 0", "good 1", "good 2", "good 3", "most 0", "most 1"],
    "trusted",
  ]);
});
