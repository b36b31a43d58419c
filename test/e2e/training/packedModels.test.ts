// `merge --base-dtype`, and adapters of what it writes.
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { inspect, renderInspection } from "../../../src/app/commands/models/inspect.js";
import { merge, mergeCommand } from "../../../src/app/commands/models/merge.js";
import { readJsonObject } from "../../../src/base/records/json.js";
import { resolveModel } from "../../../src/formats/resolveModel.js";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { loraConfig } from "../../../src/models/adapters/index.js";
import { loadModel } from "../../../src/models/index.js";
import { PackedWeight } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { ownHead } from "../../models/ownHead.js";
import { expectClose } from "../../parity/goldenFiles.js";
import { expectSameBits } from "../../torch/sameBits.js";
import { tinyAdapter, tinyModel } from "../../use/export/gguf/tinyModels.js";
import { abortAfter, bytes, fresh, GOLDEN, run, SMALL, stepsOf } from "../support.js";

const BASES = [
  { family: "bert", model: "bert/single", adapter: "bert/adapters/lora", plain: ["classifier"] },
  { family: "gpt2", model: "gpt2/lm", adapter: "gpt2/adapters/lm-lora", plain: ["lm_head"] },
  {
    family: "esm",
    model: "esm/single",
    adapter: "esm/adapters/lora",
    plain: ["esm.contact_head.regression", "classifier.dense", "classifier.out_proj"],
  },
  { family: "llama", model: "llama/lm", adapter: "llama/adapters/lm-dora", plain: ["lm_head"] },
] as const;
const ERRORS = { nf4: [0.06, 0.12], fp4: [0.08, 0.16], int8: [0.003, 0.01] } as const;
type Format = keyof typeof ERRORS;

const place = (path: string) => join(GOLDEN, path);
const config = (folder: string) => readJsonObject(join(folder, "config.json"));

async function merged({ model, adapter }: { model: string; adapter: string }, baseDtype?: Format) {
  const output = fresh("merged");
  return merge({ model: place(model), adapter: place(adapter), output, ...(baseDtype && { baseDtype }) });
}

async function values(source: string, baseDtype?: Format) {
  const own = { ...ownHead(config(source)), dtype: "float32" as const, generator: new torch.Generator(0), baseDtype };
  return [...(await loadModel(source, own)).model.namedParameters()];
}

describe.each(BASES)("merge of $family's adapter", (base) => {
  test.each(Object.keys(ERRORS) as Format[])("with --base-dtype %s is the merged model, packed", async (format) => {
    const [plain, packed] = [await merged(base), await merged(base, format)];
    expect(plain.packingError).toBeUndefined();
    const [least, most] = ERRORS[format];
    expect(packed.packingError).toBeGreaterThan(least);
    expect(packed.packingError).toBeLessThan(most);
    const [found, wanted] = [await values(packed.path), await values(plain.path, format)];
    expect(found.filter(([, parameter]) => !parameter.values.isDense).length).toBeGreaterThan(3);
    for (const [i, [path, { values: own }]] of found.entries()) {
      const other = wanted[i]![1].values;
      expect([own.isDense, own.bytes], path).toEqual([other.isDense, other.bytes]);
      expectSameBits(own.dense(), other.dense(), path);
    }
    const { quantization_config: settings, ...rest } = config(packed.path);
    expect(rest).toEqual(config(plain.path));
    expect(settings).toMatchObject({ quant_method: "bitsandbytes", llm_int8_skip_modules: base.plain });
    // transformers refuses an integer here.
    expect(readFileSync(join(packed.path, "config.json"), "utf8")).toContain('"llm_int8_threshold": 6.0');
    const shown = renderInspection(await inspect({ path: packed.path }));
    expect(shown).toContain(`${format} `);
    expect(shown).toContain("Nothing in it is refused.");
  });
});

test("the loss is shown", () => {
  const { text, value } = mergeCommand.show(
    { path: "m", packingError: 0.09154 } as never,
    {} as never,
  ) as never as Record<string, unknown>;
  expect(text).toBe(
    "Merged model in m\nPacking changed the merged matrices by 9.2% (relative root mean square error).",
  );
  expect(value).toEqual({ output: "m", packingError: 0.09154 });
});

describe("an adapter of a packed model", () => {
  let model: string;
  beforeAll(async () => {
    model = (await merged(BASES[0], "nf4")).path;
  });

  test("is trained, resumed, and merged into a dense model", async () => {
    const settings = { ...SMALL, model, method: "dora", dtype: "float32", maxSteps: 3 } as const;
    const whole = await run(settings);
    const output = fresh();
    await run({ ...settings, output }, abortAfter(2));
    await run({ ...settings, output, resume: true });
    expect(bytes(output)).toBe(bytes(whole.output));
    expect(stepsOf(whole.events).length).toBe(3);
    const { path } = await merge({ adapter: whole.output, output: fresh("dense") });
    expect(config(path).quantization_config).toBeUndefined();
    const file = openSafetensors(join(path, "model.safetensors"));
    expect(file.names.map((name) => file.info(name).dtype).every((dtype) => dtype === "F32")).toBe(true);
    const before = new Map(await values(model));
    const key = "bert.encoder.layer.0.output.dense.weight"; // not adapted
    expect(before.get(key)!.values).toBeInstanceOf(PackedWeight);
    expectSameBits(file.readTensor(key), before.get(key)!.values.dense());
    const adapted = "bert.encoder.layer.0.attention.self.query.weight";
    expectClose(file.readTensor(adapted), before.get(adapted)!.values.dense(), 0.2);
    file.close();
    const again = await merge({ adapter: whole.output, output: fresh("packed"), baseDtype: "nf4" });
    expect(config(again.path).quantization_config).toMatchObject({ bnb_4bit_quant_type: "nf4" });
  });

  test("is not resumed after the model's file has changed", async () => {
    const settings = { ...SMALL, model, method: "lora", dtype: "float32", maxSteps: 3, output: fresh() } as const;
    await run(settings, abortAfter(2));
    const path = join(model, "model.safetensors");
    const file = readFileSync(path);
    const changed = Buffer.from(file);
    changed[changed.length - 200]! ^= 1; // codes of the last matrix: its description comes last
    writeFileSync(path, changed);
    await expect(run({ ...settings, resume: true })).rejects.toThrow(/weights/);
    writeFileSync(path, file);
  });
});

test("a packed model is exported as GGUF with its decoded values", async () => {
  const llama = { model_type: "llama", architectures: ["LlamaForCausalLM"], tie_word_embeddings: false };
  const model = tinyModel(join(fresh("models"), "lm"), "smollm", llama);
  const adapter = await tinyAdapter(fresh("lora"), model, loraConfig({ targetModules: ["q_proj"] }));
  const { path } = await merge({ model, adapter, baseDtype: "nf4", output: fresh("packed") });
  const output = join(fresh("out"), "m.gguf");
  await exportModel({ to: "gguf", model: path, output });
  const found = new Map(await values(await resolveModel(output)));
  for (const [name, { values: own }] of await values(path))
    expectClose(found.get(name)!.values.dense(), own.dense(), 2 ** -11, name); // the file is F16
});

describe("merge --base-dtype of another base", () => {
  /** The golden BERT with changed tensors. */
  function changed(change: (name: string, tensor: torch.Tensor) => torch.Tensor): string {
    const model = fresh("model");
    cpSync(place("bert/single"), model, { recursive: true });
    const path = join(model, "model.safetensors");
    const file = openSafetensors(path);
    const tensors = file.names.map((name) => [name, change(name, file.readTensor(name))] as const);
    file.close();
    saveSafetensors(path, tensors, { format: "pt" });
    return model;
  }
  const mergeWith = (model: string, baseDtype: Format, output: string) =>
    merge({ model, adapter: place("bert/adapters/lora"), baseDtype, output });

  test("in float64 is in float32, which bitsandbytes takes", async () => {
    const model = changed((_, tensor) => torch.castTo(tensor, "float64"));
    const { path } = await mergeWith(model, "nf4", fresh("packed"));
    expect(config(path).dtype).toBe("float32");
    const wanted = await values((await merged(BASES[0], "nf4")).path);
    for (const [i, [name, { values: own }]] of (await values(path)).entries())
      expectSameBits(own.dense(), wanted[i]![1].values.dense(), name);
  });

  test("with values beyond float16 is refused for int8, and leaves no folder", async () => {
    const key = "bert.encoder.layer.1.output.dense.weight";
    const model = changed((name, tensor) => (name === key ? torch.mulScalar(tensor, 1e7) : tensor));
    const output = fresh("packed");
    await expect(mergeWith(model, "int8", output)).rejects.toThrow(
      `${key} would contain values that are not finite in float16, so the model was not written.`,
    );
    expect(existsSync(output)).toBe(false);
    expect((await mergeWith(model, "nf4", output)).packingError).toBeGreaterThan(0.05);
  });
});
