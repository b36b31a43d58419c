import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { isAlive } from "../../../src/base/records/folderLock.js";
import { BERT, bidora, comparisonFile, eventsIn, fresh, json, list, ROWS, start, stepsOf } from "../support.js";

/** So many that none of the runs ends before it is killed. */
const STEPS = 80;

const file = comparisonFile(
  "methods: [lora]",
  "seeds: [0, 1]",
  `maxSteps: ${STEPS}`,
  "batchSize: 4",
  "saveEvery: 100000",
  "threads: 1",
);

/** The process that writes a run, by the name of its lock. */
const writerIn = (folder: string): number | undefined => {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const pid = names.map((name) => /^\.bidora-lock\.(\d+)\./.exec(name)?.[1]).find((found) => found !== undefined);
  return pid === undefined ? undefined : Number(pid);
};

const patience = { timeout: 60_000, interval: 5 };

describe("a killed comparison", () => {
  test("stops its running child, which saves its state; the same command then completes all runs", async () => {
    const output = fresh("killed");
    const folder = join(output, "sequence-classification/lora/seed-0");
    const { child, ended } = start("compare", file, "--output", output);
    await vi.waitUntil(
      () => existsSync(join(folder, "events.jsonl")) && stepsOf(eventsIn(folder)).length > 3,
      patience,
    );
    const pid = writerIn(folder) as number;
    expect(isAlive(pid)).toBe(true);
    child.kill("SIGKILL");
    expect(await ended).toBe("SIGKILL");
    const again = await bidora("compare", file, "--output", output, "--json");
    expect([again.status, again.stderr]).toEqual([0, expect.not.stringContaining("failed")]);
    expect(isAlive(pid)).toBe(false);
    const { runs } = json<{ runs: { seed: number; steps: number }[] }>(join(output, "comparison.json"));
    expect(runs.map(({ seed, steps }) => [seed, steps])).toEqual([0, 1].map((seed) => [seed, STEPS]));
    // The run was resumed from what the first process saved, and did no step twice.
    expect(eventsIn(folder).filter(({ event }) => event === "start")).toHaveLength(2);
  }, 200_000);

  test("leaves a checkpoint of the run that was in progress", async () => {
    const output = fresh("killed-alone");
    const folder = join(output, "sequence-classification/lora/seed-0");
    const { child } = start("compare", file, "--output", output);
    await vi.waitUntil(
      () => existsSync(join(folder, "events.jsonl")) && stepsOf(eventsIn(folder)).length > 3,
      patience,
    );
    const pid = writerIn(folder) as number;
    child.kill("SIGKILL");
    await vi.waitUntil(() => !isAlive(pid), patience);
    expect(list(folder).filter((name) => name.startsWith("checkpoint-"))).toHaveLength(1);
    expect(list(folder)).not.toContain("metrics.json");
  }, 200_000);
});

test("a run killed by a signal is reported as failed with the signal's name, and the same command repeats it", async () => {
  const output = fresh("killed-run");
  const folder = join(output, "sequence-classification/lora/seed-0");
  const { ended } = start("compare", file, "--output", output, "--max-steps", "60");
  await vi.waitUntil(() => existsSync(join(folder, "events.jsonl")) && stepsOf(eventsIn(folder)).length > 3, patience);
  process.kill(writerIn(folder) as number, "SIGKILL");
  expect(await ended).toBe(1);
  const { failed } = json<{ failed: { reason: string }[] }>(join(output, "comparison.json"));
  expect(failed).toEqual([
    {
      ...{ task: "sequence-classification", method: "lora", seed: 0 },
      reason: "its process was killed by SIGKILL, as the system does when memory runs out.",
    },
  ]);
  const again = await bidora("compare", file, "--output", output, "--max-steps", "60", "--json");
  expect([again.status, JSON.parse(again.stdout)]).toMatchObject([0, { failed: [], unfinished: [] }]);
}, 200_000);

test("a run outlives the process that started it, and needs no stdin", async () => {
  const output = fresh("by-hand");
  const words = [
    "finetune",
    "--model",
    join(BERT, "single"),
    "--train",
    join(ROWS, "train.jsonl"),
    "--max-steps",
    "20",
    "--method",
    "lora",
    "--threads",
    "1",
  ];
  const bin = fileURLToPath(new URL("../../../bin/bidora.js", import.meta.url));
  const child = spawn(process.execPath, [bin, ...words, "--batch-size", "4", "--output", output], {
    stdio: ["pipe", "ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit");
  child.stdin?.end();
  (child.stdio[3] as NodeJS.WritableStream).end();
  expect(await ended).toEqual([0, null]);
  expect(list(output)).toContain("metrics.json");
}, 100_000);
