import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bidora, fresh, GOLDEN, json, ROWS, write } from "../support.js";
import { ended, eventsIn, type Printing, startRanks, startWith, TINY } from "./support.js";

const VALIDATED = ["--validation", join(ROWS, "train.jsonl")];
const finetune = (output: string, ...more: readonly string[]) => ["finetune", ...TINY, "--output", output, ...more];
const ENDLESS = ["--max-steps", "100000", "--batch-size", "2"];

/** Waits until the run has taken some steps. */
async function steps(output: string, count = 4): Promise<void> {
  const log = join(output, "events.jsonl");
  while (!existsSync(log) || readFileSync(log, "utf8").split('"event":"step"').length <= count)
    await new Promise((resolve) => setTimeout(resolve, 50));
}

const checkpoints = (output: string) => readdirSync(output).filter((name) => name.startsWith("checkpoint-"));

async function endless(...more: readonly string[]): Promise<{ output: string; ranks: [Printing, Printing] }> {
  const output = fresh("endless");
  const words = finetune(output, ...ENDLESS, ...more);
  const ranks = (await startRanks(words, words)) as [Printing, Printing];
  await steps(output);
  return { output, ranks };
}

test("when a rank is killed, the other ends with one line and a checkpoint", async () => {
  const { output, ranks } = await endless();
  ranks[1].child.kill("SIGKILL");
  const [first] = await ended(ranks);
  expect(first!.status).toBe(1);
  const [line] = first!.stderr.trimEnd().split("\n").slice(-1);
  expect(line).toMatch(
    /^bidora: .*A rank was lost: the connection to another one broke\. The state after step \d+ was saved/,
  );
  expect(checkpoints(output)).toHaveLength(1);
});

test("a rank that stops answering is lost after --timeout; both say so in one line", async () => {
  const { output, ranks } = await endless("--timeout", "3");
  ranks[1].child.kill("SIGSTOP");
  expect(await ranks[0].ended).toBe(1);
  ranks[1].child.kill("SIGCONT");
  const [first, second] = await ended(ranks);
  expect(first!.stderr).toMatch(/bidora: .*another one did not answer within --timeout\. The state after step/);
  expect(second).toMatchObject({ status: 1, stdout: "" });
  expect(second!.stderr).toMatch(/^bidora: rank 1: .*A rank was lost.*\n$/m);
  expect(checkpoints(output)).toHaveLength(1);
});

test("a checkpoint that one rank is asked for is saved by rank 0, and SIGTERM to one rank ends both after saving", async () => {
  const { output, ranks } = await endless();
  ranks[1].child.kill("SIGUSR2");
  while (checkpoints(output).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  ranks[1].child.kill("SIGTERM");
  const [first, second] = await ended(ranks);
  expect([first!.status, second]).toEqual([130, { status: 130, stdout: "", stderr: "" }]);
  expect(checkpoints(output)).toHaveLength(2);
});

test("the failure of one rank ends the other with its sentence", async () => {
  const output = fresh("failed");
  const broken = write("train.jsonl", '{"text": "a", "label": "x"}\n{"text": \n');
  const [good, bad] = [finetune(output, ...ENDLESS), finetune(output, ...ENDLESS, "--train", broken)];
  const [first, second] = await ended(await startRanks(good, bad));
  expect(second!.stderr).toMatch(/^bidora: rank 1: .*train\.jsonl.*\n$/);
  expect(first!.stderr).toMatch(/bidora: Rank 1 ended: .*train\.jsonl/);
  expect([first!.status, second!.status, existsSync(output)]).toEqual([1, 1, false]);
});

test("ranks with different rows or weights are refused by name before the first step", async () => {
  const rows = readFileSync(join(ROWS, "train.jsonl"), "utf8").trimEnd().split("\n");
  const fewer = write("train.jsonl", `${rows.slice(0, -1).join("\n")}\n`);
  const output = fresh("different");
  const words = finetune(output, ...ENDLESS);
  const other = ["--train", fewer];
  const weights = ["--model", join(GOLDEN, "bert/no-prefix")];
  for (const [more, difference] of [
    [other, "the training rows"],
    [["--rank", "2"], "--rank \\(2, and \\d+ on rank 0\\)"],
    [weights, "config.json|the weights of \\S+|the tokenizer"],
  ] as const) {
    const [first, second] = await ended(await startRanks(words, [...words, ...more]));
    const sentence = new RegExp(`Rank 1 and rank 0 differ in (${difference}): all ranks need the same`);
    expect([first!.stderr, second!.stderr]).toEqual([expect.stringMatching(sentence), expect.stringMatching(sentence)]);
    expect([first!.status, second!.status, existsSync(output)]).toEqual([1, 1, false]);
  }
});

test("evaluation is shared out: metrics, predictions and early stopping are those of one process", async () => {
  const [shared, alone] = [fresh("shared"), fresh("alone")];
  const more = [
    ...VALIDATED,
    "--max-steps",
    "6",
    "--eval-every",
    "2",
    "--early-stopping",
    "2",
    "--learning-rate",
    "0.01",
  ];
  const launched = startWith(
    {},
    ...["launch", "--processes", "2", "--", ...finetune(shared, ...more, "--batch-size", "2"), "--quiet"],
  );
  await bidora(...finetune(alone, ...more, "--batch-size", "4", "--quiet"));
  expect(await launched.ended).toBe(0);
  const metricsOf = (folder: string) => json(join(folder, "metrics.json"));
  const metrics = metricsOf(shared);
  for (const [name, value] of Object.entries(metricsOf(alone))) expect(metrics[name]).toBeCloseTo(value as number, 4);
  const kinds = (folder: string) => eventsIn(folder).map(({ event }) => event);
  expect(kinds(shared)).toEqual(kinds(alone));
  const [rows, expectedRows] = [shared, alone].map((folder) =>
    readFileSync(join(folder, "validation-predictions.jsonl"), "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  );
  const plain = (all: Record<string, unknown>[]) => all.map(({ row, text, reference }) => ({ row, text, reference }));
  expect(plain(rows!)).toEqual(plain(expectedRows!));
});

test("a killed run of two ranks is restarted and ends with the bytes of one that was not; other numbers of ranks resume it", async () => {
  const whole = fresh("whole");
  const settings = ["--max-steps", "12", "--batch-size", "2", "--save-every", "3"];
  const launch = (output: string, ...more: readonly string[]) =>
    startWith({}, "launch", "--processes", "2", ...more, "--", ...finetune(output, ...settings, "--quiet"));
  expect(await launch(whole).ended).toBe(0);
  const weights = (folder: string) => readFileSync(join(folder, "adapter_model.safetensors"));

  const killed = fresh("killed");
  const slow = await startRanks(
    ...[0, 1].map(() => finetune(killed, "--max-steps", "12", "--batch-size", "2", "--save-every", "3")),
  );
  await steps(killed, 5);
  slow[0]!.child.kill("SIGKILL");
  await ended(slow);
  const again = startWith(
    {},
    "launch",
    "--processes",
    "2",
    "--",
    ...finetune(killed, ...settings, "--resume", "--quiet"),
  );
  expect(await again.ended).toBe(0);
  expect(weights(killed).equals(weights(whole))).toBe(true);

  const refused = await bidora(...finetune(copyOfFirst(whole), ...settings, "--resume"));
  expect(refused.stderr).toMatch(/batchSize/);
  const folder = copyOfFirst(whole);
  const { status, stderr } = await bidora(
    ...finetune(folder, "--max-steps", "12", "--batch-size", "4", "--save-every", "3", "--resume"),
  );
  expect([status, stderr]).toEqual([
    0,
    expect.stringMatching(/was computed by 2 processes, now there is 1: the result may differ/),
  ]);
});

/** A copy of a run as it was after its sixth step. */
function copyOfFirst(folder: string): string {
  const copy = fresh("copy");
  cpSync(folder, copy, { recursive: true });
  for (const name of ["metrics.json", "checkpoint-9", "checkpoint-12"]) rmSync(join(copy, name), { recursive: true });
  return copy;
}
