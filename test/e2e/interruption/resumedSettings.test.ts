import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readState, type SavedState } from "../../../src/base/records/checkpointState.js";
import type { RunEvent } from "../../../src/base/records/events.js";
import type { JsonValue } from "../../../src/base/records/json.js";
import { RUN_FILE } from "../../../src/base/records/names.js";
import { flagOf, type Option } from "../../../src/base/settings/option.js";
import { type RunKey, readRunFile, resolveRun, runOptions, settingsOf } from "../../../src/tasks/config/index.js";
import { CheckpointRequest } from "../../../src/training/checkpoints/checkpoints.js";
import { FREE, findCheckpoint, settingDifferences } from "../../../src/training/checkpoints/resume.js";
import {
  abortAfter,
  bidora,
  bytes,
  eventsIn,
  fresh,
  json,
  list,
  run,
  SMALL,
  SMALL_FLAGS,
  stepsOf,
  write,
} from "../support.js";

const SETTINGS = Object.entries<Option>(runOptions).flatMap(([key, { session }]) => (session ? [] : [key as RunKey]));
/** Settings that no checkpoint holds: the result does not depend on them, or a note says how. */
const ELSEWHERE: readonly string[] = ["output", "device", "threads", "log"];

/** Another value, which only has to differ. */
const other = (value: JsonValue | undefined): JsonValue =>
  typeof value === "number" ? value + 1 : typeof value === "boolean" ? !value : "other";

describe("a setting that has changed", () => {
  let path: string;
  let state: SavedState;
  beforeAll(async () => {
    const { output } = await run({ method: "lora", maxSteps: 1, saveEvery: 1 });
    path = join(output, "checkpoint-1");
    state = readState(path);
  });

  const resumedWith = (settings: SavedState["settings"], processes?: number) =>
    findCheckpoint({
      ...{ folder: join(path, ".."), config: resolveRun(SMALL), settings, madeFrom: state.madeFrom },
      ...(processes !== undefined && { processes }),
      ...{ plans: [{ phase: "train", steps: 1 }], trained: [] },
    });

  test("a word of an earlier version is none; a setting that no longer exists is one", () => {
    const { settings } = state;
    expect(settingDifferences({ ...settings, initLoraWeights: "zero" }, settings)).toEqual([]);
    expect(settingDifferences({ ...settings, initLoraWeights: "pissa" }, settings).length).toBe(1);
    const pattern = { ...settings, targetModules: "query" };
    expect(settingDifferences(pattern, pattern)).toEqual([]);
    expect(settingDifferences(pattern, { ...settings, targetModules: ["query"] }).length).toBe(1);
    expect(settingDifferences({ ...settings, removed: "word" }, settings)).toEqual([
      { key: "removed", before: '"word"', after: "not set" },
    ]);
  });

  test("a label that an earlier version did not record is none", () => {
    const named = { ...state.settings, positiveLabel: "spam" };
    expect(settingDifferences(state.settings, named)).toEqual([]);
    expect(settingDifferences(named, { ...named, positiveLabel: "ham" })).toMatchObject([{ key: "positiveLabel" }]);
  });

  test.each(SETTINGS.filter((key) => ![...ELSEWHERE, "positiveLabel"].includes(key)))("%s", async (key) => {
    const [before, after] = [state.settings[key], other(state.settings[key])];
    const found = resumedWith({ ...state.settings, [key]: after });
    if (FREE.has(key)) await expect(found).resolves.toMatchObject({ path });
    else
      await expect(found).rejects.toMatchObject({
        code: "CHECKPOINT_SETTINGS",
        message: `${path} was made with ${key} ${JSON.stringify(before) ?? "not set"}, now it is ${JSON.stringify(after)}: resume with the run's own settings, or start a new run in another --output.`,
      });
  });

  test("the rows of a step, if ranks share them, are those of all ranks", async () => {
    const { batchSize } = state.settings as { batchSize: number };
    await expect(resumedWith(state.settings, 2)).rejects.toThrow(
      `with batchSize ${batchSize}, now it is ${2 * batchSize} (of all ranks together): resume`,
    );
  });

  test("no other one is left out", () => {
    expect(SETTINGS.filter((key) => !(key in settingsOf(all())))).toEqual(
      SETTINGS.filter((key) => ELSEWHERE.includes(key)),
    );
  });

  /** A run in which every setting has some value. */
  function all() {
    const values = Object.fromEntries(SETTINGS.map((key) => [key, "value"]));
    return { ...resolveRun(SMALL), ...values };
  }

  test("docs/fine-tuning.md lists those that may change", () => {
    const text = readFileSync(new URL("../../../docs/fine-tuning.md", import.meta.url), "utf8");
    const [, listed = ""] = /These settings may change,\s+with a note: ([^;]+);/.exec(text) ?? [];
    expect(listed.match(/--[a-z-]+/g)?.sort()).toEqual([...FREE].map(flagOf).sort());
  });
});

describe("--resume", () => {
  const settings = { method: "lora", dtype: "float32" } as const;

  test("with another --dtype is refused, and leaves the folder as it is", async () => {
    const { output } = await run(settings, abortAfter(2));
    const before = readFileSync(join(output, RUN_FILE), "utf8");
    await expect(run({ ...settings, dtype: "bfloat16", output, resume: true })).rejects.toThrow(
      /checkpoint-2 was made with dtype "float32", now it is "bfloat16": resume with the run's own settings/,
    );
    expect(readFileSync(join(output, RUN_FILE), "utf8")).toBe(before);
  });

  test("with another --learning-rate says so", async () => {
    const { output } = await run(settings, abortAfter(2));
    const { notes } = await run({ ...settings, learningRate: 1e-3, output, resume: true });
    expect(notes.filter((note) => note.includes("was made with"))).toEqual([
      `${join(output, "checkpoint-2")} was made with learningRate 0.01, now it is 0.001.`,
    ]);
  });

  test("of a folder alone takes the settings of its run.yaml, and ends with the same bytes", async () => {
    const whole = await run({ ...settings, rank: 3, dropout: 0.1 });
    const { output } = await run({ ...settings, rank: 3, dropout: 0.1 }, abortAfter(2));
    expect(await bidora("finetune", "--output", output, "--resume", "--quiet")).toMatchObject({ status: 0 });
    expect(bytes(output)).toBe(bytes(whole.output));
    const none = fresh("none");
    expect(await bidora("finetune", "--output", none, "--resume")).toMatchObject({
      status: 2,
      stderr: `bidora: --model is missing, and --output ${none} has no run of bidora's that names it: give a local folder or a Hub repository.\n`,
    });
  });

  test.each([
    ["flags", (output: string) => [...SMALL_FLAGS, "--learning-rate", "0.01", "--max-steps", "4", "--output", output]],
    ["a run file", (output: string) => [write("run.yaml", JSON.stringify({ ...SMALL, output }))]],
  ])("of a folder with %s that name no method keeps the run's own", async (_, words) => {
    const { output } = await run({ method: "dora" }, abortAfter(2));
    const resumed = await bidora("finetune", ...words(output), "--dtype", "auto", "--resume", "--quiet");
    expect(resumed).toMatchObject({ status: 0 });
    expect(readRunFile(join(output, RUN_FILE)).method).toBe("dora");
    expect(stepsOf(eventsIn(output))).toHaveLength(SMALL.maxSteps);
  });

  test("of a folder alone: flags take precedence, and rates that follow another one still do", async () => {
    const { output } = await run({ method: "bidora", dtype: "float32", maxSteps: 2 }, abortAfter(1));
    const resume = ["finetune", "--output", output, "--resume"];
    expect(await bidora(...resume, "--rank", "3")).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/rank 8, now it is 3/),
    });
    expect(await bidora(...resume, "--learning-rate", "1e-4")).toMatchObject({ status: 0 });
    const rates = stepsOf(eventsIn(output)).map(({ learningRate }) => learningRate);
    expect(Math.max(...rates.slice(1))).toBeLessThanOrEqual(1e-4);
    const file = readFileSync(join(output, RUN_FILE), "utf8");
    for (const key of ["upper", "retrain"]) expect(file).toContain(`\n${key}LearningRate: 0.0001\n`);
  });
});

describe("a state that leads nowhere", () => {
  const settings = { method: "lora", dtype: "float32", maxSteps: 8, learningRate: 1e37 } as const;
  const failure = async (...[given, hooks]: Parameters<typeof run>) =>
    (await run(given, hooks).catch((error: unknown) => error as Error)) as Error;

  test("without an earlier checkpoint, the message says that no learning rate helps", async () => {
    const output = fresh();
    const sentence = `--resume continues from ${join(output, "checkpoint-1")}. From there the next loss is the same with any --learning-rate: for a smaller one, start the run again with --overwrite.`;
    expect((await failure({ ...settings, warmupRatio: 0, output })).message).toContain(sentence);
    const again = { ...settings, warmupRatio: 0, output, resume: true, learningRate: 1e-3 } as const;
    expect((await failure(again)).message).toContain(sentence);
  });

  test("with an earlier one, which --keep-checkpoints spares, the message names it, and the advice helps", async () => {
    const output = fresh();
    const given = { ...settings, warmupRatio: 0.5, output, saveEvery: 100, keepCheckpoints: 1 } as const;
    const checkpoints = new CheckpointRequest();
    const ask = (event: RunEvent) => event.event === "step" && event.step === 1 && checkpoints.ask();
    const { message } = await failure(given, { checkpoints, observers: [ask] });
    const [bad, good] = ["checkpoint-2", "checkpoint-1"].map((name) => join(output, name)) as [string, string];
    expect(message).toContain(`for a smaller one, remove ${bad}, and it continues from ${good}.`);
    rmSync(bad, { recursive: true });
    const { events } = await run({ ...given, learningRate: 1e-3, resume: true });
    expect(stepsOf(events).map(({ step }) => step)).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(list(output)).toContain("metrics.json");
  });
});

describe("--adapter without --model", () => {
  const settings = { ...SMALL, method: "lora", dtype: "float32", maxSteps: 1 } as const;
  const { model, ...alone } = settings;
  const flags = ["--train", alone.train, "--max-steps", "1", "--batch-size", "4", "--quiet"];
  const from = async (adapter: string, ...more: readonly string[]) =>
    bidora("finetune", "--adapter", adapter, ...flags, "--output", fresh(), ...more);
  const withBase = async (base: string | null): Promise<string> => {
    const { output } = await run(settings);
    const file = join(output, "adapter_config.json");
    writeFileSync(file, JSON.stringify({ ...json(file), base_model_name_or_path: base }));
    return output;
  };

  test("starts from the base model that the adapter names", async () => {
    const { output: adapter } = await run(settings);
    const [named, found] = [fresh(), fresh()];
    expect(await from(adapter, "--output", found)).toMatchObject({ status: 0 });
    expect(await from(adapter, "--output", named, "--model", model)).toMatchObject({ status: 0 });
    expect(bytes(found)).toBe(bytes(named));
    expect(json(join(found, "adapter_config.json"))).toMatchObject({ base_model_name_or_path: model });
  });

  test("says whose model is missing", async () => {
    expect(await from(await withBase("/gone/model"))).toMatchObject({
      status: 1,
      stderr: "bidora: There is no folder /gone/model (the adapter's base model): say by --model where it is.\n",
    });
    expect(await from(await withBase("/gone/model"), "--model", "/other")).toMatchObject({
      stderr: "bidora: There is no folder /other.\n",
    });
    expect(await from(await withBase(null))).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/--model is missing, and the adapter does not name its base model: give/),
    });
    expect(await from(write("adapter.txt", ""))).toMatchObject({ status: 1 });
  });
});
