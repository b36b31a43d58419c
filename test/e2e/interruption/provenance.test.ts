import { appendFileSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { SavedState } from "../../../src/base/records/checkpointState.js";
import { writeChecksums } from "../../../src/base/records/checksums.js";
import type { RunEvent } from "../../../src/base/records/events.js";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import * as torch from "../../../src/torch/index.js";
import { native } from "../../../src/torch/native/native.js";
import { folderOf } from "../../tasks/datasets/folders.js";
import { abortAfter, BERT, bytes, changed, fresh, json, jsonl, ROWS, run, stepsOf } from "../support.js";

const SOURCES = {
  model: join(BERT, "single"),
  adapter: join(BERT, "adapters", "lora"),
  train: join(ROWS, "train.jsonl"),
  validation: join(ROWS, "pairs.jsonl"),
  test: join(ROWS, "pairs.jsonl"),
};
type Inputs = typeof SOURCES;

const folder = fresh("inputs");
/** Copies of everything that a run reads, to be changed. */
const inputs = Object.fromEntries(
  Object.entries(SOURCES).map(([name, path]) => [name, join(folder, name + extname(path))]),
) as Inputs;

function putInputs(): void {
  for (const [name, path] of Object.entries(inputs))
    cpSync(SOURCES[name as keyof Inputs], path, { recursive: true, force: true });
}

const edit = (path: string, change: (text: string) => string) =>
  writeFileSync(path, change(readFileSync(path, "utf8")));

const firstLines = (count: number) => (text: string) => text.split("\n").slice(0, count).join("\n");

const writeJson = (path: string, values: object) => writeFileSync(path, JSON.stringify({ ...json(path), ...values }));

function changeTensor(path: string, end: string): void {
  const file = openSafetensors(path);
  const entries = [...file.names].map((name) => [name, file.readTensor(name)] as const);
  file.close();
  const double = (name: string, tensor: torch.Tensor) => (name.endsWith(end) ? torch.mulScalar(tensor, 2) : tensor);
  saveSafetensors(
    path,
    entries.map(([name, tensor]) => [name, double(name, tensor)] as const),
    { format: "pt" },
  );
}

const CHANGES: readonly (readonly [what: string, named: string, change: () => void])[] = [
  ["training rows cut off", "22 training rows, now there are 6", () => edit(inputs.train, firstLines(6))],
  [
    "one training row more",
    "22 training rows, now there are 23",
    () => edit(inputs.train, (text) => text + row("cold")),
  ],
  [
    "a word of a training row",
    "different training rows, though the same number (22)",
    () => edit(inputs.train, (text) => text.replace("cold rain fell", "cold rain")),
  ],
  [
    "the label of a training row",
    "different training rows, though the same number (22)",
    () => edit(inputs.train, (text) => text.replace('"beta"', '"gamma"')),
  ],
  ["validation rows cut off", "8 validation rows, now there are 3", () => edit(inputs.validation, firstLines(3))],
  [
    "a word of a validation row",
    "different validation rows, though the same number (8)",
    () => edit(inputs.validation, (text) => text.replace("stone wall", "wall")),
  ],
  ["test rows cut off", "8 test rows, now there are 5", () => edit(inputs.test, firstLines(5))],
  [
    "weights of the base",
    "different weights of the base model:",
    () => changeTensor(join(inputs.model, "model.safetensors"), "word_embeddings.weight"),
  ],
  [
    "the base's config.json",
    "a different config.json of the base model:",
    () => writeJson(join(inputs.model, "config.json"), { hidden_act: "relu" }),
  ],
  [
    "the order of the base's labels",
    'a different config.json of the base model; and from different labels: number 0 was "alpha", now it is "gamma"; and from',
    () =>
      writeJson(join(inputs.model, "config.json"), {
        id2label: { 0: "gamma", 1: "beta", 2: "alpha" },
        label2id: { gamma: 0, beta: 1, alpha: 2 },
      }),
  ],
  [
    "the tokenizer, though it gives the same tokens",
    "a different tokenizer:",
    () => appendFileSync(join(inputs.model, "tokenizer.json"), "\n"),
  ],
  [
    "the adapter to start from",
    "a different adapter to start from:",
    () => changeTensor(join(inputs.adapter, "adapter_model.safetensors"), "lora_A.weight"),
  ],
];

const row = (text: string) => `${JSON.stringify({ sentence1: text, sentence2: text, label: "beta" })}\n`;

describe("files that a run was made from", () => {
  const output = fresh();
  const settings = { ...inputs, output };
  let whole: string;
  beforeAll(async () => {
    putInputs();
    whole = (await run({ ...settings, output: fresh() })).output;
    await run(settings, abortAfter(2));
  });

  test.each(CHANGES)("%s: changed, that is refused by name, and nothing touched", async (_what, named, change) => {
    putInputs();
    change();
    const before = readdirSync(output, { recursive: true });
    const error = await run({ ...settings, resume: true }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: "CHECKPOINT_PROVENANCE",
      message: expect.stringContaining(`${join(output, "checkpoint-2")} was made from ${named}`),
    });
    expect((error as Error).message).toMatch(
      /: resume with the original inputs, or start a new run in another --output\.$/,
    );
    expect(readdirSync(output, { recursive: true })).toEqual(before);
  });

  test("once a changed file is restored, the run resumes to the same bits", async () => {
    putInputs();
    await run({ ...settings, resume: true });
    expect(bytes(output)).toBe(bytes(whole));
  });
});

test.each([
  ["changed", (path: string) => writeJson(path, { repetition_penalty: 1.5 })],
  ["removed", (path: string) => rmSync(path)],
] as const)(
  "a resumed run that is evaluated by generated texts refuses a generation_config.json that was %s",
  async (_what, change) => {
    const meanings = "mr,ref\nthe small boat,left the harbour\nthe storm,came in\nthe boat,came\n";
    const data = folderOf({ "trainset.csv": meanings, "devset.csv": meanings, "testset_w_refs.csv": meanings });
    const model = changed("llama/lm", "generation_config.json", {});
    const generating = {
      model,
      task: "e2e-nlg",
      data,
      method: "lora",
      batchSize: 1,
      maxNewTokens: 4,
      beams: 2,
    } as const;
    const settings = { ...generating, train: undefined, output: fresh() };
    await run(settings, abortAfter(2));
    change(join(model, "generation_config.json"));
    await expect(run({ ...settings, resume: true })).rejects.toThrow(
      "was made from a different generation_config.json of the base model",
    );
  },
);

test("a resumed run refuses other held-out rows and names the file", async () => {
  const rows = Array.from({ length: 10 }, (_, i) => ({ text: `cold rain ${i}`, label: i % 2 ? "alpha" : "beta" }));
  const train = jsonl(...rows);
  const watched = { holdoutFraction: 0.2, evalEvery: 1, earlyStopping: 3, shuffle: false } as const;
  const settings = { train, method: "lora", output: fresh(), ...watched } as const;
  await run(settings, abortAfter(2));
  const changed = rows.map((one, i) => (i === 9 ? { ...one, text: "warm sun" } : one));
  writeFileSync(train, changed.map((one) => `${JSON.stringify(one)}\n`).join(""));
  await expect(run({ ...settings, resume: true })).rejects.toThrow(
    "was made from different held-out rows, though the same number (2)",
  );
});

test("a resumed run refuses a renamed label that changes the order of the labels", async () => {
  const rows = (other: string) =>
    [other, "m", other, other].map((label) => `${JSON.stringify({ text: "cold rain", label })}\n`).join("");
  const train = jsonl();
  writeFileSync(train, rows("z"));
  const settings = { train, output: fresh() };
  await run(settings, abortAfter(1));
  writeFileSync(train, rows("a"));
  await expect(run({ ...settings, resume: true })).rejects.toThrow(
    'was made from different labels: number 0 was "m", now it is "a"',
  );
});

test("a run still saves if its base model's files disappear during training", async () => {
  putInputs();
  const { signal, observers } = abortAfter(3);
  const output = fresh();
  const remove = (event: RunEvent) => {
    if (event.event === "start") rmSync(inputs.model, { recursive: true });
  };
  await run({ ...inputs, output }, { signal, observers: [...observers, remove] });
  expect(json<SavedState>(join(output, "checkpoint-3", "training_state.json")).madeFrom).toMatchObject({
    train: { rows: 22 },
    weights: null,
    tokenizer: null,
  });
  putInputs();
  await run({ ...inputs, output, resume: true });
});

test("a run resumed with another number of threads says so and continues", async () => {
  const output = fresh();
  const { threads } = torch.engineFacts();
  try {
    await run({ method: "lora", output, threads: 1 }, abortAfter(2));
    const { notes, events } = await run({ method: "lora", output, threads: 2, resume: true });
    expect(notes).toEqual([
      `${join(output, "checkpoint-2")} was computed with --threads 1, now there are 2: the result may differ in its last bits from that of an uninterrupted run.`,
    ]);
    expect(stepsOf(events).map(({ step }) => step)).toEqual([3, 4]);
  } finally {
    torch.setThreads(threads);
  }
});

test("a run resumed on another device says so and continues", async () => {
  const output = fresh();
  await run({ method: "lora", output }, abortAfter(2));
  const path = join(output, "checkpoint-2");
  const state = json<SavedState>(join(path, "training_state.json"));
  expect(state.device).toBe("cpu");
  writeFileSync(join(path, "training_state.json"), JSON.stringify({ ...state, device: "cuda:1" }));
  await writeChecksums(path);
  const { notes, events } = await run({ method: "lora", output, device: "cpu", resume: true });
  expect(notes).toEqual([
    `${path} was computed on cuda:1, now the run is on cpu: the result may differ in its last bits from that of an uninterrupted run.`,
  ]);
  expect(stepsOf(events).map(({ step }) => step)).toEqual([3, 4]);
  expect(events.find(({ event }) => event === "start")).toMatchObject({ machine: { device: "cpu" } });
});

const { isaVariant, isaVariants } = torch.engineFacts();
test.skipIf(isaVariants.length < 2)("a run resumed on another kind of processor says so and continues", async () => {
  const output = fresh();
  try {
    native.setIsaVariant(isaVariants[0] as string);
    await run({ method: "lora", output }, abortAfter(2));
    native.setIsaVariant(isaVariant);
    const { notes, events } = await run({ method: "lora", output, resume: true });
    expect(notes).toEqual([
      expect.stringMatching(/checkpoint-2 was computed with libtorch .*, baseline( and AMX)?, now it is libtorch /),
    ]);
    expect(stepsOf(events).map(({ step }) => step)).toEqual([3, 4]);
  } finally {
    native.setIsaVariant(isaVariant);
  }
});
