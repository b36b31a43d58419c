// Runs with --init-lora-weights loftq, and what is done with their adapters.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { predict } from "../../../src/app/commands/models/predict.js";
import { readJsonObject } from "../../../src/base/records/json.js";
import { readConfig } from "../../../src/formats/checkpoint.js";
import { attachAdapter, readAdapter } from "../../../src/models/adapters/index.js";
import { loadModel } from "../../../src/models/index.js";
import { PackedWeight } from "../../../src/models/nn/index.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import * as torch from "../../../src/torch/index.js";
import { disposeServed, openServed } from "../../../src/use/server/servedModel.js";
import { ownHead } from "../../models/ownHead.js";
import { wideFolder } from "../../parity/support/wide.js";
import { expectSameBits } from "../../torch/sameBits.js";
import { tinyModel } from "../../use/export/gguf/tinyModels.js";
import { abortAfter, BERT, bytes, fresh, jsonl, ROWS, run, SMALL } from "../support.js";

const INPUT = join(ROWS, "train.jsonl");
let model: string;
let settings: RunSettings;

beforeAll(() => {
  model = wideFolder(fresh("bert"), "bert", "single");
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) cpSync(join(BERT, "single", name), join(model, name));
  settings = {
    ...SMALL,
    model,
    dtype: "float32",
    baseDtype: "nf4",
    initLoraWeights: "loftq",
    targetModules: "all-linear" as never,
    maxSteps: 3,
  };
});

async function scores(call: Parameters<typeof predict>[0], notes: string[] = []): Promise<number[]> {
  const settings = { input: INPUT, dtype: "float32", limit: 4, ...call } as const;
  const found = await predict(settings, { onNote: (note) => notes.push(note) });
  return found.flatMap(({ logits }) => logits as number[]);
}

const far = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

describe.each(["lora", "dora", "bidora"] as const)("%s", (method) => {
  test("is resumed with the same bits, and other starts than LoftQ's are refused", async () => {
    const one = { ...settings, method };
    const whole = await run(one);
    const output = fresh();
    await run({ ...one, output }, abortAfter(2));
    await expect(run({ ...one, output, initLoraWeights: "default", resume: true })).rejects.toThrow(/initLoraWeights/);
    await run({ ...one, output, resume: true });
    expect(bytes(output)).toBe(bytes(whole.output));
    expect(bytes((await run({ ...one, initLoraWeights: "default" })).output)).not.toBe(bytes(output));
  });

  test("its adapter brings its base's format: predictions and the merged model are the run's", async () => {
    const { output: adapter } = await run({ ...settings, method });
    expect(readJsonObject(join(adapter, "bidora.json"))).toMatchObject({ baseDtype: "nf4", initLoraWeights: "loftq" });
    // PEFT would change the base if it read anything else here.
    const { init_lora_weights: start } = readJsonObject(join(adapter, "adapter_config.json"));
    expect(start).toBe(true);
    const notes: string[] = [];
    const own = await scores({ adapter }, notes);
    expect(notes).toEqual([]);
    expect(await scores({ adapter, baseDtype: "nf4" })).toEqual(own);
    const { path } = await merge({ adapter, output: fresh("merged") });
    expect(far(await scores({ model: path }), own)).toBeLessThan(1e-5);
    await expect(scores({ adapter, baseDtype: "int8" })).rejects.toThrow(
      "--base-dtype int8 does not fit the adapter, which LoftQ started on a base packed as nf4: leave the flag out.",
    );
    await expect(scores({ adapter, baseDtype: "float32" })).rejects.toThrow("--base-dtype float32 does not fit");
  });
});

describe("an adapter of LoftQ", () => {
  let adapter: string;
  beforeAll(async () => {
    adapter = (await run({ ...settings, method: "dora" })).output;
  });

  test("is trained on with its base's format", async () => {
    const { initLoraWeights: _start, baseDtype: _format, targetModules: _targets, ...rest } = settings;
    const next = await run({ ...rest, adapter });
    expect(readJsonObject(join(next.output, "bidora.json"))).toMatchObject({
      baseDtype: "nf4",
      initLoraWeights: "loftq",
    });
    expect(readFileSync(join(next.output, "run.yaml"), "utf8")).toContain("baseDtype: nf4");
    await expect(run({ ...rest, adapter, baseDtype: "fp4" })).rejects.toThrow(
      "--base-dtype fp4 contradicts the adapter to start from, which has nf4",
    );
    const plain = (await run({ ...rest, method: "lora" })).output;
    await expect(run({ ...rest, adapter: plain, baseDtype: "nf4", initLoraWeights: "loftq" })).rejects.toThrow(
      "--init-lora-weights loftq contradicts the adapter to start from, which has default",
    );
  });

  test("is exported for its base alone", async () => {
    const { path } = await exportModel({ adapter, to: "peft-lora", rank: 4, output: fresh("peft") });
    const { metadata } = await readAdapter(path);
    expect(metadata).toMatchObject({ method: "lora", baseDtype: "nf4", initLoraWeights: "loftq" });
    await expect(exportModel({ adapter, to: "gguf-lora", output: fresh("lora.gguf") })).rejects.toThrow(
      "LoftQ started the adapter on a packed base",
    );
  });

  test("is not attached to a model that is held otherwise", async () => {
    const saved = await readAdapter(adapter);
    for (const baseDtype of ["nf4", "float32", "fp4"] as const) {
      const generator = new torch.Generator(0);
      const loaded = await loadModel(model, { ...ownHead(readConfig(model)), dtype: "float32", baseDtype, generator });
      const attach = () => attachAdapter(loaded.model, saved, { generator });
      if (baseDtype === "nf4") expect(attach().modules.length).toBeGreaterThan(6);
      else
        expect(attach).toThrow(
          'LoftQ started it on a base packed as nf4, and the model is not: load the model with baseDtype "nf4"',
        );
    }
  });

  test("with a damaged bidora.json is refused", async () => {
    const folder = fresh("damaged");
    cpSync(adapter, folder, { recursive: true });
    const { baseDtype: _format, ...rest } = readJsonObject(join(folder, "bidora.json"));
    writeFileSync(join(folder, "bidora.json"), JSON.stringify(rest));
    await expect(scores({ adapter: folder })).rejects.toThrow("bidora.json says that LoftQ started the adapter");
  });
});

describe("an adapter of a packed base", () => {
  test("says so where the base is held otherwise", async () => {
    const { initLoraWeights: _start, ...rest } = settings;
    const adapter = (await run({ ...rest, method: "lora" })).output;
    const notesOf = async (call: object) => {
      const notes: string[] = [];
      await scores({ adapter, ...call }, notes);
      return notes;
    };
    const sentence = (now: string, then = "nf4") =>
      `The adapter was trained on a base whose matrices are ${then} (18), and is used on one whose matrices are ${now} (18): results differ a little from the run's.`;
    expect(await notesOf({ baseDtype: "nf4" })).toEqual([]);
    expect(await notesOf({})).toEqual([sentence("dense")]);
    expect(await notesOf({ baseDtype: "q8_0" })).toEqual([sentence("q8_0")]);
    const notes: string[] = [];
    await merge({ adapter, output: fresh("merged") }, { onNote: (note) => notes.push(note) });
    await exportModel({ adapter, to: "peft-lora", output: fresh("peft") }, { onNote: (note) => notes.push(note) });
    expect(notes).toEqual([sentence("dense"), sentence("dense")]);
    expect(readJsonObject(join(adapter, "bidora.json")).baseFormats).toEqual({ nf4: 18 });
    const dense = (await run({ ...rest, method: "lora", baseDtype: undefined })).output;
    expect(await notesOf({ adapter: dense, baseDtype: "nf4" })).toEqual([sentence("nf4", "dense")]);
  });
});

describe("serve", () => {
  const LIKE_CHAT = { model_type: "llama", architectures: ["LlamaForCausalLM"], tie_word_embeddings: false };

  test("packs its base model as LoftQ's adapters need it, and says where others were trained otherwise", async () => {
    const base = tinyModel(fresh("lm"), "smollm", LIKE_CHAT);
    const train = jsonl({ text: "the small boat" }, { text: "left the harbour" });
    const lm = { model: base, task: "causal-lm", train, method: "lora", dtype: "float32", maxSteps: 1 } as const;
    const started = { ...lm, initLoraWeights: "loftq" } as const;
    const [nf4, int8, plain] = [
      (await run({ ...started, baseDtype: "nf4" })).output,
      (await run({ ...started, baseDtype: "int8" })).output,
      (await run(lm)).output,
    ];
    const notes: string[] = [];
    const serve = (adapter: readonly string[], baseDtype?: "nf4" | "q8_0") =>
      openServed({ adapter, dtype: "float32", baseDtype }, { onNote: (note) => notes.push(note) });
    const served = await serve([plain, nf4]);
    const formats = Array.from(served.base.model.baseParameters(), ([, { values }]) =>
      values instanceof PackedWeight ? values.format.name : "dense",
    );
    expect(new Set(formats)).toEqual(new Set(["nf4", "dense"]));
    expect(notes).toEqual([
      `${basename(plain)}: The adapter was trained on a base whose matrices are dense (14), and is used on one whose matrices are nf4 (14): results differ a little from the run's.`,
    ]);
    disposeServed(served);
    await expect(serve([nf4, int8])).rejects.toThrow(`${basename(int8)}: --base-dtype nf4 does not fit the adapter`);
    await expect(serve([nf4], "q8_0")).rejects.toThrow("--base-dtype q8_0 does not fit the adapter");
  });
});

test.each([
  { given: { baseDtype: undefined }, why: "applies only with --base-dtype nf4, fp4, int8, w8a8, q8_0 or q4_0" },
  { given: { baseDtype: "bfloat16" }, why: "applies only with --base-dtype nf4, fp4, int8, w8a8, q8_0 or q4_0" },
  { given: { method: "vera" }, why: "applies only with --method" },
  { given: { method: "adalora" }, why: "applies only with --method" },
] as const)("refused: %o", async ({ given, why }) => {
  await expect(run({ ...settings, method: "lora", ...given } as RunSettings)).rejects.toThrow(why);
});

test("the first outputs of DoRA are those of the update that LoRA starts with", async () => {
  const start = { ...settings, learningRate: 0, maxSteps: 1 };
  const [lora, dora] = [await run({ ...start, method: "lora" }), await run({ ...start, method: "dora" })];
  const [one, other] = [(await readAdapter(lora.output)).tensors, (await readAdapter(dora.output)).tensors];
  for (const [name, tensor] of one) expectSameBits(other.get(name)!, tensor, name);
  const [a, b] = [await scores({ adapter: lora.output }), await scores({ adapter: dora.output })];
  expect(far(a, b)).toBeLessThan(1e-5);
});
