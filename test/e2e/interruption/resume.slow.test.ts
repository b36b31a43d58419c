import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import * as torch from "../../../src/torch/index.js";
import { abortAfter, BERT, bidora, bytes, eventsIn, fresh, list, run, SMALL, start, stepsOf } from "../support.js";
import { randomRun, results, VALIDATION } from "./results.js";

const RANDOM = randomRun();
describe("an interrupted and resumed run has the same bits as an uninterrupted one", () => {
  test.each([
    ["lora", 3, {}],
    ["bidora", 2, {}],
    ["bidora", 6, {}],
    ["bidora", 12, {}],
    ["lora", 6, {}],
    ["dora", 3, { optimizer: "sgd" }],
    ["bidora", 4, { optimizer: "adafactor" }],
    ["bidora", 4, { optimizer: "lion" }],
    ["bidora", 4, { optimizer: "adamw8bit", rank: 128 }],
    ["adalora", 4, { optimizer: "adamw8bit", rank: 128, adaloraTinit: 1, adaloraTfinal: 1, adaloraDeltaT: 1 }],
    ["bidora", 9, { optimizer: "sgd", momentum: 0, xi: "optimizer" }],
    ["dora", 5, { upper: "scales", optimizer: "adafactor", unrollSteps: 2 }],
    ["lora", 11, { upper: "scales", optimizer: "adamw8bit", rank: 128 }],
    ["lora", 4, { upper: "scales", optimizer: "lion", gradientAccumulation: 2 }],
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
