import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MARKER } from "../../../src/base/records/names.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { abortAfter, bidora, eventsIn, fresh, list, run, SMALL, stepsOf } from "../support.js";
import { randomRun, results, VALIDATION } from "./results.js";

const RANDOM = randomRun();
describe("an interrupted and resumed run has the same bits as an uninterrupted one", () => {
  test.each([
    ["dora", 3, { gradientAccumulation: 2, maxGradNorm: 0.5 }],
    ["bidora", 9, { hypergradient: "finite-difference", xi: "optimizer" }],
    ["lora", 3, { upper: "scales" }],
    ["dora", 9, { upper: "scales", upperLearningRate: 0.1 }],
  ] as const)("%s, after step %d, %j", async (method, step, more) => {
    const settings = { ...RANDOM, method, validation: VALIDATION, evalEvery: 2, ...more } as RunSettings;
    const whole = await run(settings);
    const output = fresh();
    await run({ ...settings, output }, abortAfter(step));
    expect(list(output)).toEqual([`checkpoint-${step}`, "events.jsonl", "run.yaml"]);
    await run({ ...settings, output, resume: true });
    expect(results(output)).toEqual(results(whole.output));
  });
});

describe("--resume after a killed run", () => {
  const settings = { method: "lora", maxSteps: 6, saveEvery: 2 } as const;

  test("ignores later steps in the log, a torn line and temporary files", async () => {
    const whole = await run(settings);
    const output = fresh();
    await run({ ...settings, output }, abortAfter(5));
    rmSync(join(output, "checkpoint-5"), { recursive: true });
    appendFileSync(join(output, "events.jsonl"), '{"time":"2026-01-01T00:0');
    mkdirSync(join(output, ".checkpoint-6.0123456789ab.tmp"));
    writeFileSync(join(output, ".run.yaml.0123456789ab.tmp"), "half");
    const { events } = await run({ ...settings, output, resume: true });
    expect(stepsOf(events).map(({ step }) => step)).toEqual([5, 6]);
    expect(results(output)).toEqual(results(whole.output));
  });

  test("starts from the beginning without an intact checkpoint, and says so", async () => {
    const whole = await run(settings);
    const left = (fill: (output: string) => void): string => {
      const output = fresh();
      mkdirSync(output);
      fill(output);
      writeFileSync(join(output, MARKER), "");
      return output;
    };
    const folders = [
      fresh(),
      left(() => {}),
      left((output) => writeFileSync(join(output, "events.jsonl"), '{"event":"start"')),
      left((output) => mkdirSync(join(output, "checkpoint-2"))),
      left((output) => mkdirSync(join(output, ".checkpoint-2.0123456789ab.tmp"))),
    ];
    for (const output of folders) {
      const { notes } = await run({ ...settings, output, resume: true });
      expect(notes).toEqual([`There is no whole checkpoint in ${output}: starting afresh.`]);
      expect(results(output)).toEqual(results(whole.output));
    }
  });

  test("completes a run that was killed after its last checkpoint", async () => {
    const whole = await run(settings);
    const output = fresh();
    cpSync(whole.output, output, { recursive: true });
    for (const name of list(output)) if (!/^(checkpoint|events)/.test(name)) rmSync(join(output, name));
    await run({ ...settings, output, resume: true });
    expect(results(output)).toEqual(results(whole.output));
    expect(eventsIn(output).filter(({ event }) => event === "done")).toHaveLength(1);
  });
});

describe("--resume", () => {
  const flags = ["--model", SMALL.model, "--train", SMALL.train, "--method", "lora", "--batch-size", "4"];

  test("of a finished run says so and exits with 0; together with --overwrite it is refused", async () => {
    const { output } = await run({ method: "lora" });
    const before = list(output);
    const again = await bidora("finetune", ...flags, "--max-steps", "4", "--output", output, "--resume");
    expect(again).toEqual({
      status: 0,
      stdout: `Saved in ${output}\n`,
      stderr: `The run in ${output} has ended already: nothing was done. It had the settings of its run.yaml.\n`,
    });
    const both = await bidora("finetune", ...flags, "--output", output, "--resume", "--overwrite");
    expect(both).toMatchObject({ status: 2, stdout: "", stderr: expect.stringMatching(/are mutually exclusive/) });
    expect(list(output)).toEqual(before);
  });

  test("with other settings is refused, except for those that may change between sessions", async () => {
    const output = fresh();
    await run({ method: "lora", output }, abortAfter(2));
    await expect(run({ method: "lora", rank: 4, output, resume: true })).rejects.toThrow(
      /checkpoint-2 was made with rank 8, now it is 4/,
    );
    const { events } = await run({ method: "lora", learningRate: 1e-3, output, resume: true });
    expect(stepsOf(events).map(({ step, learningRate }) => [step, learningRate <= 1e-3])).toEqual([
      [3, true],
      [4, true],
    ]);
  });

  test("refuses a folder with other files, and leaves it as it is", async () => {
    const output = fresh();
    mkdirSync(output);
    writeFileSync(join(output, "thesis.txt"), "");
    await expect(run({ output, resume: true })).rejects.toThrow(/is not empty/);
    await expect(run({ output })).rejects.toThrow(/is not empty/);
    expect(list(output)).toEqual(["thesis.txt"]);
  });
});
