// The examples, compiled and run as docs/library.md says, on a tiny checkpoint.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../../src/app/commands/models/load.js";
import { GOLDEN } from "../support/golden.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MODEL = join(GOLDEN, "bert", "single");
const LLAMA = join(GOLDEN, "generation", "llama");
const SMS = join(ROOT, "examples", "data", "sms_spam");
const SHARES = join(ROOT, "examples", "data", "shares.jsonl");

/** Rows that the compared runs are scored on. */
const SCORED = 100;

const work = mkdtempSync(join(tmpdir(), "bidora-examples-"));
const adapter = join(work, "run");

beforeAll(() => {
  execFileSync("npm", ["run", "examples"], { cwd: ROOT });
  const lines = readFileSync(join(SMS, "test.tsv"), "utf8").split("\n");
  const [header, ...rows] = lines as [string, ...string[]];
  writeFileSync(join(work, "some.tsv"), [header, ...rows.slice(0, SCORED)].join("\n"));
  writeFileSync(join(work, "others.tsv"), [header, ...rows.slice(SCORED, 2 * SCORED)].join("\n"));
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
  ["search", [MODEL, SHARES, "apples"], /^(\d\.\d{3} {2}[^\n]+\n){3}$/],
  ["generate", [LLAMA, "one two"], /^[\s\S]* \[(length|eos)\]\none two … ".*" \(\d+ tokens\)\n$/],
  ["serve", [LLAMA], /^llama: The capital of France is[\s\S]*\n$/],
  ["ownStep", [MODEL], /^step 1: loss 0\.\d+\n[\s\S]*step 5: loss 0\.\d+\n$/],
  ["train", [MODEL, join(SMS, "train.tsv"), join(work, "watched"), "0"], /^ {3}1 #+ \d\.\d{3}\nOut of time: /],
  ["ownTask", [MODEL, SHARES, SHARES, join(work, "share")], /^trained: \{ meanAbsoluteError: /],
  [
    "compare",
    [MODEL, join(work, "others.tsv"), join(work, "some.tsv"), join(work, "compared")],
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

/** Starts the service on a free port; the caller ends it. */
async function startService(folder: string) {
  const child = spawn(process.execPath, ["build/examples/node-service/service.js", folder, "0"], {
    cwd: ROOT,
    env: { ...process.env, OMP_NUM_THREADS: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const started = once(child.stdout.setEncoding("utf8"), "data");
  const failed = ended.then(([status]) => Promise.reject(new Error(`The service ended with status ${status}.`)));
  const [line] = (await Promise.race([started, failed])) as [string];
  failed.catch(() => {});
  const [url, task] = line.trim().split(" ") as [string, string];
  const post = (path: string, body: string) => fetch(`${url}${path}`, { method: "POST", body });
  const stop = async () => {
    child.kill("SIGTERM");
    return (await ended)[0] as number;
  };
  return { url, task, post, stop };
}

test("node-service predicts rows, refuses what it can't read in one sentence, and ends in good order", async () => {
  const { url, task, post, stop } = await startService(adapter);
  expect(task).toBe("sequence-classification");
  expect(await (await fetch(`${url}/health`)).text()).toBe("sequence-classification\n");
  const rows = ["call now to win", "see you at home"];
  const [first, ...others] = await Promise.all(
    [rows, rows, [rows[1]]].map(
      async (given) => (await post("/predict", JSON.stringify(given))).json() as Promise<unknown[]>,
    ),
  );
  expect(first).toMatchObject([{ label: expect.stringMatching(/ham|spam/) }, { score: expect.any(Number) }]);
  expect(others).toEqual([first, [first![1]]]);
  const refused = async (path: string, body: string) => {
    const response = await post(path, body);
    return [response.status, ((await response.json()) as { error: string }).error];
  };
  expect(await refused("/predict", "[")).toEqual([400, "The body is not JSON."]);
  expect(await refused("/predict", "[7]")).toEqual([400, expect.stringContaining("a string, or an object")]);
  expect(await refused("/predict", `"${"a".repeat(1e6)}"`)).toEqual([413, expect.stringContaining("1000000 bytes")]);
  expect(await refused("/generate", '{"prompt":"a"}')).toEqual([400, expect.stringContaining("call predict()")]);
  expect(await refused("/train", "[]")).toEqual([404, expect.stringContaining("/predict, /generate")]);
  expect(await stop()).toBe(0);
});

test("node-service streams generated text", async () => {
  const { post, stop } = await startService(LLAMA);
  const text = await (await post("/generate", '{"prompt":"one two","maxNewTokens":8}')).text();
  using model = await load({ model: LLAMA });
  expect(text).toBe((await model.generate("one two", { maxNewTokens: 8 })).text);
  const stray = await post("/generate", '{"prompt":"one","maxTokens":8}');
  expect([stray.status, await stray.json()]).toEqual([400, { error: expect.stringContaining("maxTokens") }]);
  expect(await stop()).toBe(0);
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
  for (const name of [...names, "node-service/service"]) expect(page).toContain(`(../examples/${name}.ts)`);
});
