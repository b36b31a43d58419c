// The examples, compiled and run as docs/library.md says, on a tiny checkpoint.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MODEL = join(ROOT, "test", "golden", "bert", "single");
const LLAMA = join(ROOT, "test", "golden", "generation", "llama");
const SMS = join(ROOT, "examples", "data", "sms_spam");
const SHARES = join(ROOT, "examples", "data", "shares.jsonl");

/** Rows that the compared runs are scored on. */
const SCORED = 100;

const work = mkdtempSync(join(tmpdir(), "bidora-examples-"));
const adapter = join(work, "run");

beforeAll(() => {
  execFileSync("npm", ["run", "examples"], { cwd: ROOT });
  const lines = readFileSync(join(SMS, "test.tsv"), "utf8").split("\n");
  writeFileSync(join(work, "some.tsv"), lines.slice(0, 1 + SCORED).join("\n"));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

function run(name: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join("build", "examples", `${name}.js`), ...args], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, OMP_NUM_THREADS: "1" },
  });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
}

/** Each example's arguments, and what it prints; those in the middle use what the first one leaves. */
const CASES: readonly (readonly [name: string, args: readonly string[], prints: RegExp])[] = [
  [
    "finetune",
    [MODEL, join(SMS, "train.tsv"), join(SMS, "test.tsv"), adapter],
    /^accuracy: 0\.\d{3}\nf1: [\s\S]*loss: /,
  ],
  [
    "evaluateAndPredict",
    [adapter, join(SMS, "test.tsv")],
    /^On 1000 rows: [\s\S]*predictions\.jsonl: Map\(\d\) \{ '\w+' => \d+[^\n]*\n$/,
  ],
  ["mergeAndExport", [adapter], /-merged has 35,402 parameters in [\s\S]*-lora is for PEFT\. Rank 16: /],
  [
    "loadModel",
    [adapter, "call now"],
    /^sequence-classification: ham, spam\ncall now\n {2}(ham|spam), with probability 0\.\d{3}\n$/,
  ],
  ["generate", [LLAMA, "one two"], /^[\s\S]* \[(length|eos)\]\none two … ".*" \(\d+ tokens\)\n$/],
  ["ownStep", [MODEL], /^step 1: loss 0\.\d+\n[\s\S]*step 5: loss 0\.\d+\n$/],
  ["train", [MODEL, join(SMS, "train.tsv"), join(work, "watched"), "0"], /^ {3}1 #+ \d\.\d{3}\nOut of time: /],
  ["ownTask", [MODEL, SHARES, SHARES, join(work, "share")], /^trained: \{ meanAbsoluteError: /],
  [
    "compare",
    [MODEL, join(work, "some.tsv"), join(work, "some.tsv"), join(work, "compared")],
    /^1\/4 [\s\S]*4\/4 [\s\S]*Method +Accuracy[\s\S]*lora against dora, bootstrap: p = \d\.\d{3}\n$/,
  ],
  [
    "ownMethod",
    [MODEL],
    /^12 vectors, such as .*ssf_scale\n[\s\S]*Merged, .*weight \[36,36\] and .*bias \[36\] are plain/,
  ],
];

test.each(CASES)("%s", (name, args, prints) => {
  expect(run(name, args)).toMatch(prints);
});

test("leave what they say", () => {
  for (const path of ["run/adapter_model.safetensors", "run/predictions.jsonl", "run-merged/model.safetensors"])
    expect(existsSync(join(work, path)), path).toBe(true);
  expect(JSON.parse(readFileSync(join(work, "run-lora", "adapter_config.json"), "utf8"))).toMatchObject({
    use_dora: false,
  });
});

test("all run here, and docs/library.md lists each", () => {
  const names = readdirSync(join(ROOT, "examples")).flatMap((file) =>
    file.endsWith(".ts") ? [file.slice(0, -3)] : [],
  );
  expect(CASES.map(([name]) => name).sort()).toEqual(names.sort());
  const page = readFileSync(join(ROOT, "docs/library.md"), "utf8");
  for (const name of names) expect(page).toContain(`(../examples/${name}.ts)`);
});
