import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RunSettings } from "../../../src/config/index.js";
import { MARKER } from "../../../src/files/names.js";
import { openSafetensors, saveSafetensors } from "../../../src/io/safetensors.js";
import * as torch from "../../../src/torch/index.js";
import {
  abortAfter,
  BERT,
  bidora,
  bytes,
  eventsIn,
  fresh,
  json,
  list,
  oneLayer,
  ROWS,
  run,
  SMALL,
  start,
  stepsOf,
} from "../support.js";

const VALIDATION = join(ROWS, "pairs.jsonl");
/** A model with dropout, rows in random order, the adapter's own dropout: everything that draws random numbers. */
const RANDOM = { model: oneLayer(), dropout: 0.2, maxSteps: 6, seed: 3 } as const;

/** All results of a run that must not depend on interruptions. */
function results(output: string) {
  const steps = stepsOf(eventsIn(output)).map(({ step, phase, loss, learningRate, rows }) => [
    step,
    phase,
    loss,
    learningRate,
    rows,
  ]);
  return {
    adapter: bytes(output),
    metrics: json(join(output, "metrics.json")),
    side: json(join(output, "bidora.json")),
    steps,
    files: list(output).filter((name) => !name.startsWith("checkpoint-")),
  };
}

describe("an interrupted and resumed run has the same bits as an uninterrupted one", () => {
  test.each([
    ["lora", 3, {}],
    ["dora", 3, { gradientAccumulation: 2, maxGradNorm: 0.5 }],
    ["bidora", 2, {}],
    ["bidora", 6, {}],
    ["bidora", 9, { hypergradient: "finite-difference", xi: "optimizer" }],
    ["bidora", 12, {}],
    ["lora", 6, {}],
    ["dora", 3, { optimizer: "sgd" }],
    ["bidora", 4, { optimizer: "adafactor" }],
    ["bidora", 4, { optimizer: "adamw8bit", rank: 128 }],
    ["adalora", 4, { optimizer: "adamw8bit", rank: 128, adaloraTinit: 1, adaloraTfinal: 1, adaloraDeltaT: 1 }],
    ["bidora", 9, { optimizer: "sgd", momentum: 0, xi: "optimizer" }],
  ] as const)("%s, after step %d, %j", async (method, step, more) => {
    const settings = { ...RANDOM, method, validation: VALIDATION, evalEvery: 2, ...more } as RunSettings;
    const whole = await run(settings);
    const output = fresh();
    await run({ ...settings, output }, abortAfter(step));
    expect(list(output)).toEqual([`checkpoint-${step}`, "events.jsonl", "run.yaml"]);
    await run({ ...settings, output, resume: true });
    expect(results(output)).toEqual(results(whole.output));
  });

  test.each([
    ["lora", [1, 2, 3, 4, 5, 6, 7, 8]],
    ["bidora", [2, 4, 6, 8, 10]],
  ] as const)("%s with early stopping, interrupted at any step", async (method, places) => {
    const settings = {
      method,
      validation: VALIDATION,
      model: RANDOM.model,
      evalEvery: 1,
      earlyStopping: 2,
      learningRate: 0.3,
      maxSteps: 12,
    } as const;
    const whole = await run(settings);
    const total = stepsOf(whole.events).length;
    expect(total).toBeLessThan(method === "lora" ? 12 : 24);
    for (const step of [...places.filter((place) => place < total), total]) {
      const output = fresh();
      await run({ ...settings, output }, abortAfter(step));
      await run({ ...settings, output, resume: true });
      expect(results(output), `left after step ${step}`).toEqual(results(whole.output));
    }
  });

  test.each(["adamw", "adamw8bit"] as const)("full fine-tuning with %s", async (optimizer) => {
    const { dropout: _dropout, ...drawn } = RANDOM;
    const settings = { ...drawn, method: "full", learningRate: 1e-3, optimizer } as const;
    const whole = await run(settings);
    const output = fresh();
    await run({ ...settings, output }, abortAfter(2));
    await run({ ...settings, output, resume: true });
    expect(bytes(output, "model.safetensors")).toBe(bytes(whole.output, "model.safetensors"));
  });

  test("interrupted after every single step", async () => {
    const settings = { ...RANDOM, method: "bidora" } as const;
    const whole = await run(settings);
    const output = fresh();
    for (let step = 1; step < 12; step++) await run({ ...settings, output, resume: step > 1 }, abortAfter(step));
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

  test("gives the bits of an uninterrupted run after kill -9", async () => {
    const flags = ["--model", SMALL.model, "--train", SMALL.train, "--max-steps", "8", "--batch-size", "4"];
    const rest = ["--learning-rate", "1e-2", "--save-every", "1", "--keep-checkpoints", "2"];
    const [output, whole] = [fresh(), fresh()];
    const { child, ended } = start("finetune", ...flags, ...rest, "--output", output);
    const isUnderway = () => list(output).some((name) => Number(/^checkpoint-(\d+)$/.exec(name)?.[1]) >= 4);
    while (!isUnderway()) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGKILL");
    expect(await ended).toBe("SIGKILL");
    expect(list(output)).not.toContain("metrics.json");
    for (const more of [[output, "--resume"], [whole]])
      expect(await bidora("finetune", ...flags, ...rest, "--output", ...more)).toMatchObject({ status: 0 });
    expect(results(output)).toEqual(results(whole));
    expect(list(output).filter((name) => name.startsWith("checkpoint"))).toEqual(["checkpoint-15", "checkpoint-16"]);
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

describe("Ctrl-C", () => {
  const flags = ["--model", SMALL.model, "--train", SMALL.train, "--max-steps", "4000", "--batch-size", "4"];

  test("saves a checkpoint and exits with 130, and --resume continues from it", async () => {
    const output = fresh();
    const { child, ended } = start("finetune", ...flags, "--output", output);
    while (!list(output).includes("events.jsonl")) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    const [checkpoint, ...others] = list(output);
    expect(checkpoint).toMatch(/^checkpoint-\d+$/);
    expect(others).toEqual(["events.jsonl", "run.yaml"]);
    const steps = stepsOf(eventsIn(output));
    expect(checkpoint).toBe(`checkpoint-${steps.length}`);
    expect(eventsIn(output).at(-1)).toMatchObject({ event: "checkpoint", path: join(output, checkpoint as string) });
    const again = start("finetune", ...flags, "--output", output, "--resume");
    while (stepsOf(eventsIn(output)).length === steps.length) await new Promise((resolve) => setTimeout(resolve, 10));
    again.child.kill("SIGINT");
    expect(await again.ended).toBe(130);
    expect(stepsOf(eventsIn(output)).map(({ step }, i) => step - i)).toSatisfy((offsets: number[]) =>
      offsets.every((offset) => offset === 1),
    );
  });

  test("before the first step leaves no files", async () => {
    const output = fresh();
    const { child, ended } = start("finetune", ...flags, "--output", output);
    await new Promise((resolve) => child.stderr?.once("data", resolve));
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    const controller = new AbortController();
    controller.abort();
    const early = fresh();
    await run({ method: "lora", output: early }, { signal: controller.signal });
    expect(list(early)).toEqual([]);
  });

  test("at a step whose checkpoint was just saved does not replace it", async () => {
    const settings = { method: "lora", saveEvery: 2, output: fresh() } as const;
    const { events } = await run(settings, abortAfter(2));
    expect(events.filter(({ event }) => event === "checkpoint")).toHaveLength(1);
    const { events: rest } = await run({ ...settings, resume: true });
    expect(stepsOf(rest).map(({ step }) => step)).toEqual([3, 4]);
  });

  test("during the last evaluation keeps the state, and --resume completes the run", async () => {
    const settings = { method: "lora", validation: VALIDATION } as const;
    const whole = await run(settings);
    const output = fresh();
    await run({ ...settings, output }, abortAfter(4));
    expect(list(output)).toEqual(["checkpoint-4", "events.jsonl", "run.yaml"]);
    await run({ ...settings, output, resume: true });
    expect(results(output)).toEqual(results(whole.output));
  });
});

describe("a loss that is not finite", () => {
  test.each(["full", "lora", "dora", "bidora"] as const)(
    "--method %s with a learning rate of 1e10: the error names the step, and the last good state is kept",
    async (method) => {
      const output = fresh();
      const settings = { method, maxSteps: 8, output, learningRate: 1e10 } as const;
      const error = await run(settings).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: "LOSS_NOT_FINITE" });
      const failed = Number(/^Step (\d+): /.exec((error as Error).message)?.[1]);
      expect(list(output)).toEqual([`checkpoint-${failed - 1}`, "events.jsonl", "run.yaml"]);
      expect(eventsIn(output).at(-1)).toMatchObject({ event: "error", step: failed - 1, code: "LOSS_NOT_FINITE" });

      // The checkpoint is the very one of a run that was stopped there.
      const stopped = fresh();
      await run({ ...settings, output: stopped }, abortAfter(failed - 1));
      const file = (folder: string, name: string) => readFileSync(join(folder, `checkpoint-${failed - 1}`, name));
      for (const name of ["training_state.safetensors", "training_state.json"])
        expect(file(output, name).equals(file(stopped, name)), name).toBe(true);
      await expect(run({ ...settings, resume: true })).rejects.toThrow(`Step ${failed}: `);
    },
  );

  test("NaN in the pretrained weights: the error names step 1, and no files are left", async () => {
    const model = fresh("model");
    cpSync(join(BERT, "single"), model, { recursive: true });
    const path = join(model, "model.safetensors");
    const file = openSafetensors(path);
    const tensors = [...file.names].map((name) => [name, file.readTensor(name)] as const);
    file.close();
    const broken = tensors.map(
      ([name, tensor]) => [name, name.endsWith("query.weight") ? torch.mulScalar(tensor, Number.NaN) : tensor] as const,
    );
    saveSafetensors(path, broken);
    const output = fresh();
    await expect(run({ model, output })).rejects.toThrow(/^Step 1: The loss is not a number/);
    expect(list(output)).toEqual([]);
  });
});
