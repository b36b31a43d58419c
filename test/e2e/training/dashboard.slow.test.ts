import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { compare } from "../../../src/app/commands/compare.js";
import { finetune } from "../../../src/app/commands/finetune.js";
import { checkpointSteps } from "../../../src/base/records/checkpointState.js";
import type { RunEvent } from "../../../src/base/records/events.js";
import { isFinished } from "../../../src/base/records/runFolder.js";
import { CheckpointRequest } from "../../../src/training/checkpoints/checkpoints.js";
import { comparisonFile, fresh, run, SMALL, start } from "../support.js";

const LONG = 100_000;
const HOURS = [
  "--model",
  SMALL.model,
  "--train",
  SMALL.train,
  "--max-steps",
  String(LONG),
  "--batch-size",
  "4",
] as const;

/** Presses a button of a page, as a browser does. */
const press = (url: string, path: string) =>
  fetch(new URL(path, url), { method: "POST", headers: { origin: new URL(url).origin }, redirect: "manual" });

const textOf = async (url: string): Promise<string> => (await fetch(url)).text();
const WITHIN = { timeout: 90_000, interval: 20 };

/** The address that a command prints on stderr. */
const addressOf = (text: string): string | undefined => /Live at (http:\S+)/.exec(text)?.[1];

/** A test that fails leaves none of its runs behind. */
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Starts `bidora finetune` on more steps than it will do. */
function startLong(...flags: readonly string[]) {
  const output = fresh();
  const { child, ended } = start("finetune", ...HOURS, "--method", "lora", "--output", output, ...flags);
  children.push(child);
  let printed = "";
  child.stderr?.on("data", (text: string) => {
    printed += text;
  });
  return { child, ended, output, printed: () => printed };
}

describe("finetune --dashboard", () => {
  test("shows the run, saves on request, and stops the run as Ctrl-C does", async () => {
    const { ended, output, printed } = startLong("--dashboard");
    await expect.poll(() => addressOf(printed()), WITHIN).toBeDefined();
    const url = addressOf(printed())!;
    await expect.poll(() => textOf(url), WITHIN).toMatch(/train, step \d+ of 100,000/);
    await expect.poll(() => textOf(url), WITHIN).toContain("Training loss");
    expect(await textOf(url)).not.toContain("has not ended");
    expect((await press(url, "/checkpoint")).status).toBe(303);
    await expect.poll(() => checkpointSteps(output).length, WITHIN).toBe(1);
    const [saved] = checkpointSteps(output);
    await press(url, "/stop");
    expect(await ended).toBe(130);
    expect(checkpointSteps(output)[0]).toBeGreaterThan(saved!);
    expect(isFinished(output)).toBe(false);
    await expect(fetch(url)).rejects.toThrow();
  });

  test("a port in use is reported before training starts", async () => {
    const first = startLong("--dashboard");
    await expect.poll(() => addressOf(first.printed()), WITHIN).toBeDefined();
    const port = new URL(addressOf(first.printed())!).port;
    const second = startLong(`--dashboard=${port}`);
    expect(await second.ended).toBe(1);
    expect(second.printed()).toContain(`--dashboard=${port} can't be served: the port is in use.`);
    expect(existsSync(second.output)).toBe(false);
    first.child.kill("SIGINT");
    expect(await first.ended).toBe(130);
  });

  test("SIGUSR2, as a queue sends it, makes a run save a checkpoint and continue", async () => {
    const { child, ended, output } = startLong();
    await expect.poll(() => existsSync(join(output, "events.jsonl")), WITHIN).toBe(true);
    for (const count of [1, 2]) {
      child.kill("SIGUSR2");
      await expect.poll(() => checkpointSteps(output).length, WITHIN).toBe(count);
    }
    child.kill("SIGINT");
    expect(await ended).toBe(130);
  });
});

test("a run that replaces an earlier one does not show that run's events", async () => {
  const { output } = await run({ method: "lora", maxSteps: 2 });
  const shown: string[] = [];
  const notes: string[] = [];
  const look = async ({ event }: RunEvent) => {
    if (event === "start" || event === "step") shown.push(await textOf(addressOf(notes.join("\n"))!));
  };
  const settings = { ...SMALL, method: "lora", maxSteps: 1, output, overwrite: true, dashboard: true } as const;
  await finetune(settings, { observers: [look], onNote: (line) => notes.push(line) });
  expect(shown[0]).not.toContain("Training loss");
  expect(shown[0]).toContain("Figures appear after the first steps.");
});

test("a requested checkpoint is saved once, in addition to those of the settings", async () => {
  const checkpoints = new CheckpointRequest();
  const ask = (event: RunEvent) => {
    if (event.event === "step" && event.step === 2) checkpoints.ask();
  };
  const { output } = await run({ method: "lora", maxSteps: 4, saveEvery: 3 }, { checkpoints, observers: [ask] });
  expect(checkpointSteps(output)).toEqual([3, 2]);
});

test("a run resumed from a requested checkpoint ends with the same bits", async () => {
  const whole = await run({ method: "bidora", maxSteps: 3 });
  const checkpoints = new CheckpointRequest();
  const stopping = new AbortController();
  const output = fresh();
  const half = await run(
    { method: "bidora", maxSteps: 3, output },
    {
      checkpoints,
      signal: stopping.signal,
      observers: [
        ({ event }) => {
          if (event === "checkpoint") stopping.abort(new Error("killed"));
          if (event === "step") checkpoints.ask();
        },
      ],
    },
  );
  expect(half.isStopped).toBe(true);
  expect(checkpointSteps(output)).toEqual([1]);
  const resumed = await run({ method: "bidora", maxSteps: 3, output, resume: true });
  expect(resumed.isStopped).toBe(false);
  expect(resumed.metrics).toEqual(whole.metrics);
  const losses = (events: typeof whole.events) => events.flatMap((one) => (one.event === "step" ? one.loss : []));
  expect([losses(half.events), losses(resumed.events)].flat()).toEqual(losses(whole.events));
});

describe("compare --dashboard", () => {
  const file = comparisonFile(
    "batchSize: 4",
    "dtype: float32",
    "threads: 1",
    "maxSteps: 2",
    "perMethod:",
    `  dora: {maxSteps: ${LONG}}`,
  );

  /** Compares a short run with an endless one. */
  function begin() {
    const output = fresh("comparison");
    const notes: string[] = [];
    const settings = { methods: ["lora", "dora"], jobs: 2, dashboard: true, output };
    const outcome = compare({ ...settings, runFile: file }, { onNote: (line) => notes.push(line) });
    return { outcome: outcome.catch((error: Error) => error), output, url: () => addressOf(notes.join("\n")) };
  }

  test("shows the comparison and each run, and one run can be stopped while others continue", async () => {
    const { outcome, output, url } = begin();
    await expect.poll(url, WITHIN).toBeDefined();
    const at = url()!;
    const name = "sequence-classification/dora/seed-0";
    await expect.poll(() => textOf(at), { ...WITHIN, interval: 500 }).toContain("Scores and costs");
    expect(await textOf(at)).toContain(`href="/runs/${name}"`);
    await expect.poll(() => textOf(`${at}runs/${name}`), WITHIN).toContain("Training loss");
    await press(at, `/runs/${name}/checkpoint`);
    const folder = join(output, name);
    await expect.poll(() => checkpointSteps(folder).length, WITHIN).toBe(1);
    await press(at, `/runs/${name}/stop`);
    const error = await outcome;
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(/^1 of 2 runs were stopped; .* dora seed 0: it was stopped$/);
    expect(isFinished(folder)).toBe(false);
    expect(existsSync(join(output, "comparison.json"))).toBe(true);
  });

  test.each(["list", "collect", "dryRun"])("is refused with %s, which does no run", async (mode) => {
    const settings = { methods: ["lora"], dashboard: true, output: fresh(), [mode]: true };
    await expect(compare({ ...settings, runFile: file })).rejects.toThrow("No effect here: --dashboard");
  });

  test("can stop all runs", async () => {
    const { outcome, url } = begin();
    await expect.poll(url, WITHIN).toBeDefined();
    await expect.poll(() => textOf(url()!), WITHIN).toContain("Stop all");
    await press(url()!, "/stop");
    expect(await outcome).toEqual({ kind: "stopped" });
  });
});
