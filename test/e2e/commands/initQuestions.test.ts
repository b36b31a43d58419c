// The questions of `bidora init`, in a terminal of their own.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { write } from "../support.js";

const BIN = fileURLToPath(new URL("../../../bin/bidora.js", import.meta.url));
const row = (i: number): string =>
  `${i},the boat number ${i},it rained a lot at ${i},${i % 5},${i % 2 ? "good" : "bad"}`;
const ROWS = ["id,title,body,stars,category", ...Array.from({ length: 60 }, (_, i) => row(i)), ""].join("\n");

/** Runs `bidora init` in a terminal, and sends one answer at each prompt. */
async function answering(answers: readonly string[], ...flags: readonly string[]) {
  const train = write("train.csv", ROWS);
  const folder = dirname(train);
  const command = [process.execPath, BIN, "init", ...flags, "--no-estimate"].map((word) => `'${word}'`).join(" ");
  const terminal = spawn("script", ["-qfec", `cd '${folder}'; ${command}; echo "status $?"`, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let [shown, prompts] = ["", 0];
  const left = [...answers];
  terminal.stdout.on("data", (bytes: Buffer) => {
    shown += bytes.toString();
    const count = shown.split(/^> /m).length - 1;
    for (; prompts < count && left.length > 0; prompts++) terminal.stdin.write(left.shift()!);
  });
  await new Promise((done) => terminal.on("exit", done));
  const runFile = join(folder, "run.yaml");
  const settings = existsSync(runFile) ? (parse(readFileSync(runFile, "utf8")) as Record<string, unknown>) : undefined;
  return { status: Number(/status (\d+)/.exec(shown)?.[1]), shown, settings };
}

test("asks what the rows leave open, then model and method; an empty line takes the default", async () => {
  const answers = ["", "1", "x", "regresion", "2", "my/model", "lora"].map((line) => `${line}\r`);
  const { status, settings, shown } = await answering(answers, "train.csv");
  expect(shown).toContain("title,body");
  expect(shown).toContain("stars, category could be the label: which is it? [stars]");
  expect(shown).toContain('Give a number from 1 to 2, or one of the words. Did you mean "regression"?');
  expect(status).toBe(0);
  expect(settings).toMatchObject({
    task: "regression",
    textColumns: ["title", "body"],
    labelColumn: ["stars"],
    model: "my/model",
    method: "lora",
  });
});

test("asks for the rows, and nothing that a flag has set", async () => {
  const flags = ["--text-columns", "body", "--label-column", "category", "--model", "my/model", "--method", "dora"];
  const { status, settings } = await answering(["train.csv\r"], ...flags);
  expect([status, settings]).toEqual([0, expect.objectContaining({ train: "train.csv", labelColumn: ["category"] })]);
});

test("--yes asks nothing", async () => {
  const { status, shown, settings } = await answering([], "train.csv", "--yes");
  expect(shown).not.toMatch(/^> /m);
  expect([status, settings?.labelColumn]).toEqual([0, ["stars"]]);
});

test.each([
  ["Ctrl-C", "\u0003", 130, "Interrupted: nothing was written."],
  ["the end of the input", "\u0004", 1, "The input ended before the last question was answered: nothing was written."],
])("%s at a question writes nothing", async (_, key, expected, sentence) => {
  const { status, shown, settings } = await answering(["1\r", key], "train.csv");
  expect([status, settings]).toEqual([expected, undefined]);
  expect(shown).toContain(sentence);
});
