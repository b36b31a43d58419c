import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
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
  const film = (i: number) =>
    `${i % 4 < 2 ? "film" : "a film of more words than twelve, all of which say nothing at all,"} ${i} \t${i % 2}`;
  write("glue/SST-2/train.tsv", 5000, film, "sentence\tlabel");
  write("glue/SST-2/dev.tsv", 40, film, "sentence\tlabel");
  write("glue/CoLA/train.tsv", 400, (i) => `x\t${i % 2}\t\tcola ${i}`);
  write("glue/MRPC/train.tsv", 400, (i) => `${i % 2}\t1\t2\tmrpc ${i}\tother mrpc ${i}`, "\uFEFFQuality\t#1 ID");
  write("glue/QQP/train.subset.tsv", 400, (i) => `1\t2\t3\tqqp ${i}\tother qqp ${i}\t${i % 2}`, "id\tqid1");
  write("sms_spam/sms.tsv", 500, (i) => `${i % 2 ? "spam" : "ham"}\tsms ${i}`);
  return data;
}

const numberOf = ({ sentence }: Line) => Number(/\d+/.exec(String(sentence))?.[0]);
const isWrong = (row: Line) => row.label !== numberOf(row) % 2;

describe("make-sources", () => {
  const output = fresh("sources");
  const made = script("make-sources.js", dataFolder(), output);
  const rowsOf = (source: string) => linesOf(output, "sources.jsonl").filter((row) => row.source === source);
  const wrong = (source: string) => rowsOf(source).filter(isWrong).length;

  test("gives each source its labels: true, a third wrong, all wrong, or half of them", () => {
    expect(made.status).toBe(0);
    for (const source of ["true", "cola", "mrpc", "qqp", "sms"]) expect([source, wrong(source)]).toEqual([source, 0]);
    expect([wrong("noisy"), wrong("inverted"), wrong("shuffled")]).toEqual([80, 240, 120]);
  });

  test("gives every source, and every number of trusted rows, as many rows of both labels", () => {
    const isPositive = ({ label }: Line) => label === 1;
    for (const source of ["true", "noisy", "inverted", "shuffled", "cola", "mrpc", "qqp", "sms"])
      expect([source, rowsOf(source).filter(isPositive).length, rowsOf(source).length]).toEqual([source, 120, 240]);
    for (const rows of [32, 64])
      expect(linesOf(output, `trusted-${rows}.jsonl`).filter(isPositive)).toHaveLength(rows / 2);
  });

  test("takes no row twice, and none of the development rows", () => {
    const parts = ["sources", "trusted-64", "tuning", "validation"].map((name) => linesOf(output, `${name}.jsonl`));
    const sentences = parts.flat().map(({ sentence }) => sentence);
    expect(new Set(sentences).size).toBe(sentences.length);
    expect(parts.map(({ length }) => length)).toEqual([1920, 64, 500, 40]);
    expect(linesOf(output, "trusted-32.jsonl")).toEqual(parts[1]!.slice(0, 32));
  });
});

test("make-shift takes the lower level's rows from the source, and all others from the target, none twice", () => {
  const output = fresh("shift");
  expect(script("make-shift.js", dataFolder(), output).status).toBe(0);
  const partsOf = (name: string) =>
    ["lower", "upper", "tuning", "validation"].map((part) => linesOf(output, name, `${part}.jsonl`));
  const [sentences, noise] = [partsOf("sentences"), partsOf("noise")];
  for (const parts of [sentences, noise]) {
    expect(parts.map(({ length }) => length)).toEqual([1200, 200, 400, 40]);
    const texts = parts.flat().map(({ sentence }) => sentence);
    expect(new Set(texts).size).toBe(texts.length);
  }
  const isShort = ({ sentence }: Line) => String(sentence).startsWith("film");
  expect(sentences.slice(0, 3).map((rows) => rows.filter(isShort).length)).toEqual([1200, 0, 0]);
  const wrong = noise.map((rows) => rows.filter(isWrong));
  expect(wrong.slice(1).flat()).toEqual([]);
  expect(wrong[0]!.every(({ label }) => label === 0)).toBe(true);
  expect(wrong[0]!.length / 600).toBeCloseTo(0.4, 1);
});

describe("choose-rates", () => {
  const stages = folderWith({});
  const run = (task: string, method: string, rate: string, seed: number, accuracy: number) => {
    const folder = join(stages, task, method, rate, `seed-${seed}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "metrics.json"), JSON.stringify({ accuracy }));
  };
  for (const [rate, scores] of Object.entries({ "1e-3": [0.5, 0.7], "2e-3": [0.9, 0.4] }))
    for (const [seed, score] of scores.entries()) run("t", "lora", rate, 100 + seed, score);
  run("t", "lora", "2e-3", 0, 1);

  test("takes the rate with the best mean of the given seeds, and prints it for the runs that judge", () => {
    const { stdout } = script("choose-rates.js", stages, "accuracy", "100,101");
    expect(JSON.parse(stdout)).toEqual({ t: { lora: { chosen: "2e-3", scores: { "1e-3": 0.6, "2e-3": 0.65 } } } });
    expect(JSON.parse(script("choose-rates.js", stages, "accuracy", "101").stdout).t.lora.chosen).toBe("1e-3");
    writeFileSync(join(stages, "rates.json"), stdout);
    expect(script("choose-rates.js", "--chosen", join(stages, "rates.json")).stdout).toBe("t lora 2e-3\n");
  });

  test("fails without a run's score", () => {
    expect(script("choose-rates.js", stages, "f1", "100")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("has no f1"),
    });
  });
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

describe("stages.sh", () => {
  // Two methods, of which one starts from the other; a run's score says its rate, seed and rows.
  const STUDY = `name=s tasks=(t) methods=(first second) rates=(1e-3 2e-3) score=accuracy seeds=(0 1 2 3 4)
source scripts/studies/stages.sh
run() {
  local start=""
  if [ "$2" = second ]; then start=$(need "$1" first "$3" "$4"); fi
  echo "$1 $2 $3 $4 $5 $start" >> made.txt
  for file in run.yaml events.jsonl; do echo "adapter: $start, train: $6.train.jsonl, seed-$4" > "$6/$file"; done
  printf '{"accuracy": %s}' "$(if [ "$2" = second ]; then echo "$3"; else echo "-$3"; fi)" > "$6/metrics.json"
}
study "$@"
`;
  const folder = folderWith({ "study.sh": STUDY });
  for (const name of ["docs/results/s", "bin"]) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, "docs/results/s/pairs"), "first:second\n");
  symlinkSync(join(SCRIPTS, ".."), join(folder, "scripts"));
  writeFileSync(join(folder, "bin/npx"), '#!/bin/sh\necho "$@" >> collected.txt\n', { mode: 0o755 });
  const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` };
  const made = spawnSync("bash", ["study.sh"], { cwd: folder, encoding: "utf8", env });
  const text = (name: string) => readFileSync(join(folder, name), "utf8");

  test("each method's rate is that of the tuning seed's best run on tuning rows", () => {
    expect([made.status, made.stderr]).toEqual([0, ""]);
    expect(JSON.parse(text("docs/results/s/rates.json")).t).toMatchObject({
      first: { chosen: "1e-3" },
      second: { chosen: "2e-3" },
    });
    const tuned = text("made.txt")
      .split("\n")
      .filter((line) => / 100 /.test(line));
    expect(tuned).toHaveLength(4);
    expect(tuned.every((line) => line.includes("tuning"))).toBe(true);
  });

  test("a run is made once, with the runs that it starts from, at its own rate and seed", () => {
    const lines = text("made.txt").trimEnd().split("\n");
    expect(new Set(lines).size).toBe(lines.length);
    expect(lines.filter((line) => / [0-4] validation/.test(line))).toHaveLength(15);
    expect(lines).toContain("t second 2e-3 3 validation runs/s-stages/t/first/2e-3/seed-3");
  });

  test("the judging runs are collected", () => {
    expect(JSON.parse(text("runs/s/t/second/seed-4/metrics.json"))).toEqual({ accuracy: 2e-3 });
    expect(JSON.parse(text("runs/s/t/first/seed-4/metrics.json"))).toEqual({ accuracy: -1e-3 });
    expect(text("runs/s/t/second/seed-4/run.yaml")).toBe(
      "adapter: runs/s-stages/t/first/2e-3/seed-N, train: runs/s-stages/t/second/2e-3/seed-N.train.jsonl, seed-4\n",
    );
    expect(text("collected.txt")).toBe("bidora compare --collect --margin 0.01 --pairs first:second --output runs/s\n");
  });

  test("a run that fails ends the study", () => {
    const broken = folderWith({ "study.sh": STUDY.replace("local start", "false; local start") });
    symlinkSync(join(SCRIPTS, ".."), join(broken, "scripts"));
    expect(spawnSync("bash", ["study.sh"], { cwd: broken, encoding: "utf8", env }).status).not.toBe(0);
    expect(existsSync(join(broken, "runs/s"))).toBe(false);
  });
});
