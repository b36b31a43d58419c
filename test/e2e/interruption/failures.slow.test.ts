import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { DiskReserve } from "../../../src/training/checkpoints/rescue.js";
import { Level } from "../../../src/training/steps/level.js";
import { abortAfter, bytes, eventsIn, fresh, json, list, oneLayer, ROWS, run as runOf } from "../support.js";

afterEach(() => vi.restoreAllMocks());

const VALIDATION = join(ROWS, "pairs.jsonl");
const MODEL = oneLayer();
const run = (settings: RunSettings, hooks?: Parameters<typeof runOf>[1]) => runOf({ model: MODEL, ...settings }, hooks);

/** The message of a run that fails. */
const failure = (settings: RunSettings, observers: ((event: RunEvent) => void)[] = []): Promise<string> =>
  run(settings, { observers }).then(
    () => expect.unreachable("the run did not fail"),
    (error: Error) => error.message,
  );

/** Throws, or does harm, at one event of a step. */
const at = (name: RunEvent["event"], step: number, harm: () => void) => (event: RunEvent) => {
  if (event.event === name && "step" in event && event.step === step) harm();
};

const boom = (): never => {
  throw new Error("boom");
};

const kept = (output: string, step: number) =>
  `The state after step ${step} was saved: --resume continues from ${join(output, `checkpoint-${step}`)}.`;

/** The checkpoint is the very one of a run that was stopped there, and the run can be ended from it. */
async function expectSound(settings: RunSettings, step: number): Promise<void> {
  const stopped = fresh();
  await run({ ...settings, output: stopped }, abortAfter(step));
  const file = (folder: string, name: string) => readFileSync(join(folder, `checkpoint-${step}`, name));
  for (const name of ["training_state.safetensors", "training_state.json"])
    expect(file(settings.output as string, name).equals(file(stopped, name)), name).toBe(true);
  const whole = await run({ ...settings, output: fresh() });
  const { output } = await run({ ...settings, resume: true });
  expect(bytes(output)).toBe(bytes(whole.output));
  expect(json(join(output, "metrics.json"))).toEqual(json(join(whole.output, "metrics.json")));
}

describe("a run whose observer throws keeps the state of that step", () => {
  const watched = { validation: VALIDATION, evalEvery: 1, earlyStopping: 2, learningRate: 0.3, maxSteps: 6 } as const;

  test.each([
    ["lora", "step", 3, {}],
    ["lora", "evaluation", 3, watched],
    ["lora", "step", 4, { saveEvery: 2, keepCheckpoints: 1 }],
    ["lora", "checkpoint", 2, { saveEvery: 2 }],
    ["bidora", "step", 2, {}],
    ["bidora", "step", 4, { validation: VALIDATION, evalEvery: 1, earlyStopping: 9 }],
    ["bidora", "evaluation", 5, { validation: VALIDATION, evalEvery: 1 }],
  ] as const)("%s, at the event %s of step %d, %j", async (method, name, step, more) => {
    const settings: RunSettings = { method, dropout: 0.1, ...more, output: fresh() };
    const message = await failure(settings, [at(name, step, boom)]);
    expect(message).toBe(`boom. ${kept(settings.output as string, step)}`);
    expect(eventsIn(settings.output as string).at(-1)).toMatchObject({ event: "error", step, message: "boom" });
    await expectSound(settings, step);
  });

  test("an observer that throws at the end of the run leaves the state of the last step", async () => {
    const settings: RunSettings = { method: "lora", validation: VALIDATION, output: fresh() };
    const message = await failure(settings, [(event) => event.event === "done" && boom()]);
    expect(message).toContain(kept(settings.output as string, 4));
    await expectSound(settings, 4);
  });

  test("an observer may throw a value that is no Error", async () => {
    const output = fresh();
    const throwText = () => {
      throw "a text";
    };
    expect(await failure({ method: "lora", output }, [at("step", 1, throwText)])).toBe(`a text. ${kept(output, 1)}`);
  });

  test("an observer that throws before the first step leaves no files", async () => {
    const output = fresh();
    expect(await failure({ method: "lora", output }, [(event) => event.event === "start" && boom()])).toBe("boom");
    expect(list(output)).toEqual([]);
  });
});

describe("a failed step leaves the state before it", () => {
  /** The update with that number fails, having begun or not. */
  function failingUpdate(number: number, isHalfDone: boolean): void {
    const { update } = Level.prototype;
    let count = 0;
    vi.spyOn(Level.prototype, "update").mockImplementation(function (this: Level, gradients) {
      if (++count !== number) return update.call(this, gradients);
      if (isHalfDone) update.call(this, gradients);
      return boom();
    });
  }

  test.each([
    ["lora", 3, false],
    ["bidora", 5, false],
    ["bidora", 6, false],
    ["bidora", 6, true],
  ] as const)("%s, at update %d, half done: %s", async (method, number, isHalfDone) => {
    const settings: RunSettings = { method, dropout: 0.1, output: fresh() };
    failingUpdate(number, isHalfDone);
    expect(await failure(settings)).toBe(`Step 3: boom. ${kept(settings.output as string, 2)}`);
    vi.restoreAllMocks();
    await expectSound(settings, 2);
  });

  test("a state that is only half updated is not saved", async () => {
    const output = fresh();
    failingUpdate(3, true);
    expect(await failure({ method: "lora", output })).toBe("Step 3: boom");
    expect(list(output)).toEqual(["events.jsonl", "run.yaml"]);
    vi.restoreAllMocks();
    failingUpdate(3, true);
    expect(await failure({ method: "lora", output, overwrite: true, saveEvery: 1 })).toBe(
      `Step 3: boom. An earlier state was saved: --resume continues from ${join(output, "checkpoint-2")}.`,
    );
  });
});

describe("a file that can't be written", () => {
  test.each([
    ["lora", {}],
    ["bidora", { validation: VALIDATION, evalEvery: 1, earlyStopping: 9 }],
  ] as const)("space for a checkpoint is reserved while %s trains, %j", async (method, more) => {
    const output = fresh();
    const held: number[] = [];
    const look = () => {
      const sizes = list(output).map((name) => [name, statSync(join(output, name)).size] as const);
      held.push(...sizes.filter(([name]) => name.startsWith(".room.")).map(([, size]) => size));
    };
    await failure({ method, output, ...more }, [at("step", 2, look), at("step", 3, boom)]);
    const folder = join(output, "checkpoint-3");
    const needed = list(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    expect(held).toHaveLength(1);
    expect(held[0]).toBeGreaterThan(needed);
    expect(list(output)).toEqual(["checkpoint-3", "events.jsonl", "run.yaml"]);
  });

  test("a reserve of any size takes its space at once", () => {
    const folder = fresh();
    mkdirSync(folder);
    const reserve = new DiskReserve(folder, 2 ** 27);
    reserve.hold();
    const [name] = readdirSync(folder);
    expect(statSync(join(folder, name as string)).blocks * 512).toBeGreaterThanOrEqual(2 ** 27);
    reserve.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("the log: the state is saved, and the log stays intact", async () => {
    const settings: RunSettings = { method: "lora", output: fresh() };
    const log = join(settings.output as string, "events.jsonl");
    const message = await failure(settings, [
      at("step", 2, () => {
        renameSync(log, `${log}.aside`);
        mkdirSync(log);
      }),
    ]);
    expect(message).toMatch(/^\S+events\.jsonl can't be written \(EISDIR\)/);
    expect(message).toContain(kept(settings.output as string, 3));
    rmSync(log, { recursive: true });
    renameSync(`${log}.aside`, log);
    await expectSound(settings, 3);
  });

  test("the output folder: the first error is reported, and that no state could be saved", async () => {
    const output = fresh();
    const message = await failure({ method: "lora", output }, [
      at("step", 2, () => {
        rmSync(output, { recursive: true });
        writeFileSync(output, "");
      }),
    ]);
    expect(message).toMatch(/^\S+events\.jsonl can't be written \(ENOTDIR\): .*\. Its state could not be saved\.$/);
  });
});
