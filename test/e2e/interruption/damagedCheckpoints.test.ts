import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { writeChecksums } from "../../../src/base/records/checksums.js";
import { MARKER } from "../../../src/base/records/names.js";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { settingsOf } from "../../../src/tasks/config/index.js";
import * as torch from "../../../src/torch/index.js";
import { findCheckpoint, type ResumingRun } from "../../../src/training/checkpoints/resume.js";
import { plansOf, prepare } from "../../../src/training/run/prepare.js";
import { ProvenanceSource } from "../../../src/training/run/provenance.js";
import { startOf } from "../../../src/training/run/runInputs.js";
import { abortAfter, bytes, fresh, json, list, ROWS, run, SMALL, stepsOf } from "../support.js";

const SETTINGS = {
  method: "lora",
  maxSteps: 6,
  saveEvery: 2,
  evalEvery: 2,
  earlyStopping: 9,
  validation: join(ROWS, "pairs.jsonl"),
} as const;
/** What is said of early stopping by validation rows. */
const SELECTION = expect.stringMatching(/^--early-stopping keeps the state that is best/);
const STATE = "training_state.json";
const TENSORS = "training_state.safetensors";

let whole: string;
let left: string;
let resuming: Omit<ResumingRun, "folder">;
beforeAll(async () => {
  whole = (await run(SETTINGS)).output;
  left = fresh();
  await run({ ...SETTINGS, output: left }, abortAfter(4));
  const prepared = await prepare(await startOf({ flags: { ...SMALL, ...SETTINGS, output: left } }));
  resuming = {
    config: prepared.config,
    settings: settingsOf(prepared.config),
    madeFrom: await new ProvenanceSource(prepared).find(),
    plans: plansOf(prepared),
    trained: prepared.adapted.trained,
  };
});

/** A run that was left after step 4, with checkpoints of steps 2 and 4. */
function leftRun(): string {
  const output = fresh();
  cpSync(left, output, { recursive: true });
  return output;
}

type Damage = (checkpoint: string) => void | Promise<void>;

const flip =
  (file: string): Damage =>
  (checkpoint) => {
    const path = join(checkpoint, file);
    const content = readFileSync(path);
    content[content.length - 5] = (content[content.length - 5] as number) ^ 1;
    writeFileSync(path, content);
  };

/** Another state under right checksums, so that its content is what gives it away. */
const edit =
  (change: (state: Record<string, unknown>) => unknown): Damage =>
  async (checkpoint) => {
    const path = join(checkpoint, STATE);
    writeFileSync(path, JSON.stringify(change(json(path))));
    await writeChecksums(checkpoint);
  };

const set = (values: object): Damage => edit((state) => ({ ...state, ...values }));

const tensors =
  (change: (entry: readonly [string, torch.Tensor]) => (readonly [string, torch.Tensor])[]): Damage =>
  async (checkpoint) => {
    const path = join(checkpoint, TENSORS);
    const file = openSafetensors(path);
    const entries = [...file.names].map((name) => [name, file.readTensor(name)] as const);
    file.close();
    saveSafetensors(path, entries.flatMap(change));
    await writeChecksums(checkpoint);
  };

const isFirst = (name: string) => name.endsWith("layer.0.attention.self.query.lora_A.weight");

/** Damages that the files' checksums give away. */
const TORN: Readonly<Record<string, Damage>> = {
  "a byte of the state": flip(STATE),
  "a byte of the tensors": flip(TENSORS),
  "a byte of the adapter": flip("adapter_model.safetensors"),
  "a byte of the adapter's config": flip("adapter_config.json"),
  "tensors cut off": (checkpoint) => truncateSync(join(checkpoint, TENSORS), 1000),
  "an adapter cut off": (checkpoint) => truncateSync(join(checkpoint, "adapter_model.safetensors"), 0),
  "no state": (checkpoint) => unlinkSync(join(checkpoint, STATE)),
  "no tensors": (checkpoint) => unlinkSync(join(checkpoint, TENSORS)),
  "no adapter": (checkpoint) => unlinkSync(join(checkpoint, "adapter_model.safetensors")),
  "no checksums": (checkpoint) => unlinkSync(join(checkpoint, "SHA256SUMS")),
  "empty checksums": (checkpoint) => writeFileSync(join(checkpoint, "SHA256SUMS"), ""),
  "checksums of something else": (checkpoint) => writeFileSync(join(checkpoint, "SHA256SUMS"), "../secret\n"),
};

/** Contents that no run writes, under right checksums. */
const WRONG: Readonly<Record<string, Damage>> = {
  "a state that is no JSON": async (checkpoint) => {
    writeFileSync(join(checkpoint, STATE), '{"phase":');
    await writeChecksums(checkpoint);
  },
  "an empty state": edit(() => ({})),
  "a list as state": edit(() => []),
  "no phase": edit(({ phase: _phase, ...state }) => state),
  "a phase of another method": set({ phase: "search" }),
  "the retraining of another method": edit((state) => ({
    ...state,
    phase: "retrain",
    phaseStep: 1,
    rule: { ...(state.rule as object), steps: 1 },
  })),
  "an unknown phase": set({ phase: "constructor" }),
  "a negative step of the phase": set({ phaseStep: -3 }),
  "a step of the phase beyond the run's": set({ step: 4, phaseStep: 5 }),
  "a huge step": set({ step: 1e9 }),
  "huge steps that agree": edit((state) => ({
    ...state,
    step: 1e9,
    phaseStep: 1e9,
    rule: { ...(state.rule as object), steps: 1e9 },
  })),
  "half a step": set({ step: 4.5, phaseStep: 4.5 }),
  "another checkpoint's step": edit((state) => ({
    ...state,
    step: 2,
    phaseStep: 2,
    rule: { ...(state.rule as object), steps: 2 },
  })),
  "a rule's steps that do not fit": edit((state) => ({ ...state, rule: { ...(state.rule as object), steps: 3 } })),
  "a rule of nothing": set({ rule: null }),
  "a negative place in the data": set({ rule: { steps: 4, batches: { pass: 0, index: -1 } } }),
  "no generator": set({ generator: "" }),
  "a generator that is not base64": set({ generator: "%%%" }),
  "a generator cut off": edit((state) => ({ ...state, generator: String(state.generator).slice(0, 400) })),
  "no provenance": set({ madeFrom: {} }),
  "settings that are none": set({ settings: "none" }),
  "a tensor missing": tensors(([name, value]) => (isFirst(name) ? [] : [[name, value]])),
  "a moment missing": tensors(([name, value]) => (name.endsWith(".exp_avg_sq") ? [] : [[name, value]])),
  "the best state missing": tensors(([name, value]) => (name.startsWith("best.") ? [] : [[name, value]])),
  "a tensor of another shape": tensors(([name, value]) => [
    [name, isFirst(name) ? torch.contiguous(torch.t(value)) : value],
  ]),
};

describe("a damaged newest checkpoint", () => {
  test.each([...Object.entries(TORN), ...Object.entries(WRONG)])(
    "%s: the previous checkpoint is used",
    async (name, damage) => {
      const folder = leftRun();
      await damage(join(folder, "checkpoint-4"));
      const { path, damaged } = await findCheckpoint({ ...resuming, folder });
      expect(path).toBe(join(folder, "checkpoint-2"));
      expect(damaged).toEqual([expect.stringMatching(/^\S+checkpoint-4 is damaged \(.+\)$/)]);
      expect(/has changed since it was saved|(?<!\bit) is missing|does not list/.test(damaged.join())).toBe(
        name in TORN,
      );
    },
  );

  test("includes a checkpoint of a step beyond the run's end", async () => {
    const folder = leftRun();
    const beyond = join(folder, "checkpoint-1000000000");
    cpSync(join(folder, "checkpoint-4"), beyond, { recursive: true });
    const steps = 1e9;
    await edit((state) => ({ ...state, step: steps, phaseStep: steps, rule: { ...(state.rule as object), steps } }))(
      beyond,
    );
    const { path, damaged } = await findCheckpoint({ ...resuming, folder });
    expect(path).toBe(join(folder, "checkpoint-4"));
    expect(damaged).toEqual([`${beyond} is damaged (train has 6 steps, not 1000000000)`]);
  });

  test("includes one without the adapter method's state", async () => {
    const hooks = { memory: new Map([["importance", torch.zeros([4])]]) };
    await expect(findCheckpoint({ ...resuming, hooks, folder: leftRun() })).rejects.toThrow(
      "(training_state.safetensors has no hooks.importance)",
    );
  });

  test("is skipped with a note, and the result is the same", async () => {
    const output = leftRun();
    await flip(TENSORS)(join(output, "checkpoint-4"));
    const { notes, events } = await run({ ...SETTINGS, output, resume: true });
    const [newest, before] = [join(output, "checkpoint-4"), join(output, "checkpoint-2")];
    expect(notes).toEqual([
      SELECTION,
      `${newest} is damaged (${TENSORS} has changed since it was saved): continuing from ${before}.`,
    ]);
    expect(stepsOf(events).map(({ step }) => step)).toEqual([3, 4, 5, 6]);
    expect(bytes(output)).toBe(bytes(whole));
  });

  test("does not count towards --keep-checkpoints", async () => {
    const output = leftRun();
    await flip(STATE)(join(output, "checkpoint-4"));
    await run({ ...SETTINGS, saveEvery: 1, keepCheckpoints: 1, output, resume: true }, abortAfter(3));
    expect(list(output).filter((name) => name.startsWith("checkpoint"))).toEqual(["checkpoint-3", "checkpoint-4"]);
    await run({ ...SETTINGS, output, resume: true });
    expect(bytes(output)).toBe(bytes(whole));
  });
});

describe("a named pipe", () => {
  const replace = (path: string) => {
    rmSync(path);
    execFileSync("mkfifo", [path]);
  };

  test.each(["SHA256SUMS", STATE, TENSORS])("in place of a checkpoint's %s does not block", async (file) => {
    const folder = leftRun();
    replace(join(folder, "checkpoint-4", file));
    const { path, damaged } = await findCheckpoint({ ...resuming, folder });
    expect(path).toBe(join(folder, "checkpoint-2"));
    expect(damaged.join()).toContain(`${file} is not a file`);
  });

  test.each([
    ["events.jsonl", /events\.jsonl is a pipe, but a regular file is expected/],
    [MARKER, /is not a run of bidora/],
  ])("in place of a run's %s is refused", async (file, message) => {
    const output = leftRun();
    replace(join(output, file));
    await expect(run({ ...SETTINGS, output, resume: true })).rejects.toThrow(message);
  });
});

test("a run whose checkpoints are all damaged is refused and left as it is", async () => {
  const output = leftRun();
  await flip(TENSORS)(join(output, "checkpoint-2"));
  rmSync(join(output, "checkpoint-4", STATE));
  const before = readdirSync(output, { recursive: true });
  await expect(run({ ...SETTINGS, output, resume: true })).rejects.toThrow(
    /checkpoint-4 is damaged \(training_state.json is missing\); \S+checkpoint-2 is damaged \(training_state.safetensors has changed since it was saved\): restore an intact checkpoint, or start a new run in another --output\.$/,
  );
  expect(readdirSync(output, { recursive: true })).toEqual(before);
  await expect(run({ ...SETTINGS, output })).rejects.toThrow(/is not empty/);
});

test("a checkpoint folder that is still being written is ignored", async () => {
  const output = fresh();
  mkdirSync(join(output, "checkpoint-2"), { recursive: true });
  writeFileSync(join(output, MARKER), "");
  const { notes } = await run({ ...SETTINGS, output, resume: true });
  expect(notes).toEqual([expect.stringContaining("There is no whole checkpoint"), SELECTION]);
});

test("a search state whose levels are at different steps counts as damaged", async () => {
  const settings = { ...SETTINGS, method: "bidora" } as const;
  const output = fresh();
  await run({ ...settings, output }, abortAfter(4));
  await edit((state) => ({ ...state, rule: { ...(state.rule as object), upper: 3 } }))(join(output, "checkpoint-4"));
  const { notes } = await run({ ...settings, output, resume: true }, abortAfter(3));
  expect(notes.join()).toContain("checkpoint-4 is damaged (training_state.json: rule: does not go with phaseStep)");
});

describe("the optimizer's state", () => {
  const settingsThen = (change: (settings: Record<string, unknown>) => void): Damage =>
    edit((state) => {
      const settings = { ...(state.settings as object) };
      change(settings);
      return { ...state, settings };
    });

  test("of a checkpoint from before --optimizer existed is that of the default optimizer", async () => {
    const folder = leftRun();
    const before = settingsThen((settings) => {
      delete settings.optimizer;
      delete settings.momentum;
    });
    await before(join(folder, "checkpoint-4"));
    const { path, damaged } = await findCheckpoint({ ...resuming, folder });
    expect([path, damaged]).toEqual([join(folder, "checkpoint-4"), []]);
    const sgd = { ...resuming, folder, settings: { ...resuming.settings, optimizer: "sgd" } };
    await expect(findCheckpoint(sgd)).rejects.toThrow('was made with optimizer "adamw", now it is "sgd"');
    const in8bit = { ...resuming, folder, settings: { ...resuming.settings, optimizer: "adamw8bit" } };
    await expect(findCheckpoint(in8bit)).rejects.toThrow('was made with optimizer "adamw", now it is "adamw8bit"');
  });

  test.each([
    ["sgd", "momentum_buffer"],
    ["adafactor", "row_var"],
    ["adamw8bit", "state1"],
  ] as const)("of %s is read from the checkpoint, or the missing tensor is named", async (optimizer, name) => {
    const config = { ...resuming.config, optimizer };
    await expect(findCheckpoint({ ...resuming, config, folder: leftRun() })).rejects.toThrow(
      new RegExp(`checkpoint-4 is damaged \\(training_state.safetensors has no \\S+\\.${name}\\)`),
    );
  });

  test("in 8 bits is refused if a tensor of it is not", async () => {
    const settings = { ...SETTINGS, optimizer: "adamw8bit", rank: 128 } as const;
    const output = fresh();
    await run({ ...settings, output }, abortAfter(4));
    const path = join(output, "checkpoint-4", TENSORS);
    const file = openSafetensors(path);
    const tensors = new Map(file.names.map((name) => [name, file.readTensor(name)] as const));
    file.close();
    const codes = [...tensors.keys()].find((name) => name.includes("lora_A") && name.endsWith("state1"))!;
    expect(tensors.get(codes)!.dtype).toBe("uint8");
    tensors.set(codes, torch.to(tensors.get(codes)!, "float32"));
    saveSafetensors(path, tensors);
    await writeChecksums(join(output, "checkpoint-4"));
    const { notes } = await run({ ...settings, output, resume: true });
    expect(notes.join()).toMatch(
      /checkpoint-4 is damaged \(training_state.safetensors: \S+state1 is F32 \[\S+\], not uint8 /,
    );
  });

  test("is checked against the shapes of its parameters", async () => {
    const settings = { ...SETTINGS, optimizer: "adafactor" } as const;
    const output = fresh();
    await run({ ...settings, output }, abortAfter(4));
    const path = join(output, "checkpoint-4", TENSORS);
    const file = openSafetensors(path);
    const tensors = file.names.map((name) => [name, file.readTensor(name)] as const);
    file.close();
    const swapped = new Map(tensors);
    const row = [...swapped.keys()].find((name) => name.includes("lora_A") && name.endsWith("row_var"))!;
    swapped.set(row, swapped.get(row.replace("row_var", "col_var"))!);
    saveSafetensors(path, swapped);
    await writeChecksums(join(output, "checkpoint-4"));
    const { notes } = await run({ ...settings, output, resume: true });
    expect(notes.join()).toMatch(
      /checkpoint-4 is damaged \(training_state.safetensors: \S+row_var is F32 \[1,\d+\], not/,
    );
  });
});
