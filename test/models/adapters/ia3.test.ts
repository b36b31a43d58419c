import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../../src/formats/checkpoint.js";
import {
  ADAPTER_METHODS,
  attachAdapter,
  inject,
  readAdapter,
  savedTensors,
  toLora,
  writeAdapter,
} from "../../../src/models/adapters/index.js";
import { parsePeftConfig, renderPeftConfig } from "../../../src/models/adapters/peft/peftConfig.js";
import { architectureOf, modelTypeOf } from "../../../src/models/index.js";
import { EVALUATION, type Linear } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { expectClose, families, GOLDEN, readTensors } from "../../parity/goldenFiles.js";
import { openModel } from "../../parity/support/adapted.js";
import { EVALUATION_WITH_GRADIENT, IDS, perturb, SmallModel } from "./smallModel.js";

const newFolder = temporaryFolders();
const { ia3 } = ADAPTER_METHODS;
const config = ia3.config({ targetModules: ["query", "value"], feedforwardModules: ["value"] });
const ORIGIN = { taskType: "SEQ_CLS", baseModel: "some/base", revision: undefined };
const MODEL = {
  modelType: "bert",
  defaultTargetModules: ["query", "value"],
  subLayerOutputs: { attention: ["attention.output.dense"], feedForward: ["output.dense"] },
};

function open(dtype: torch.DType = "float64", settings = config) {
  const model = new SmallModel(dtype);
  const trained = dtype === "float64" ? dtype : "float32";
  return { model, adapted: inject(model, settings, { generator: new torch.Generator(3), dtype: trained }) };
}

test("a new adapter has PEFT's names, shapes and ones, all decayed", () => {
  const rows = open().adapted.trained.map(({ name, tensor, decays }) => [name, [...tensor.shape], decays]);
  expect(rows).toEqual([
    ["encoder.layer.0.query.ia3_l", [5, 1], true],
    ["encoder.layer.0.value.ia3_l", [1, 5], true],
    ["encoder.layer.1.query.ia3_l", [5, 1], true],
    ["encoder.layer.1.value.ia3_l", [1, 5], true],
  ]);
  for (const { tensor } of open().adapted.trained) expect(new Set(tensor.toArray())).toEqual(new Set([1]));
});

test("without initialized weights the vectors are normally distributed, and differ from layer to layer", () => {
  const { adapted } = open("float64", ia3.config({ ...config, targetModules: ["query"], initWeights: false }));
  const drawn = adapted.trained.flatMap(({ tensor }) => tensor.toArray());
  expect(new Set(drawn).size).toBe(10);
  const mean = drawn.reduce((sum, value) => sum + value, 0) / drawn.length;
  expect(Math.abs(mean)).toBeLessThan(1);
  expect(drawn.some((value) => value < 0)).toBe(true);
});

test("an output is scaled with its bias, a feed-forward input before the product", () => {
  const { model, adapted } = open();
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const [query, value] = adapted.modules;
  const x = torch.tensor(Float64Array.from([0.3, -1, 2, 0.5, 1.5, -0.2]), [1, 6]);
  const layer = query!.layer as Linear;
  const [l] = adapted.trained.map(({ tensor }) => torch.reshape(tensor, [-1]));
  expectClose(layer.forward(x, EVALUATION), torch.mul(layer.base(x), l!), 1e-15);
  const next = value!.layer as Linear;
  const y = torch.tensor(Float64Array.from([0.3, -1, 2, 0.5, 1.5]), [1, 5]);
  const scaled = torch.mul(y, torch.reshape(adapted.trained[1]!.tensor, [-1]));
  expectClose(next.forward(y, EVALUATION), next.base(scaled), 1e-15);
  expect(model.adapter).toBeUndefined();
});

test("the product with a bfloat16 layer's result is computed in float32 and rounded once, as in PEFT", () => {
  const { adapted } = open("bfloat16");
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const layer = adapted.modules[0]!.layer as Linear;
  const x = torch.castTo(torch.tensor(Float32Array.from([0.3, -1, 2, 0.5, 1.5, -0.2]), [1, 6]), "bfloat16");
  const wide = torch.mul(torch.castTo(layer.base(x), "float32"), torch.reshape(adapted.trained[0]!.tensor, [-1]));
  const result = layer.forward(x, EVALUATION_WITH_GRADIENT);
  expect([result.dtype, result.toArray()]).toEqual(["bfloat16", torch.castTo(wide, "bfloat16").toArray()]);
});

test("goes to linear layers only", () => {
  const words = ia3.config({ ...config, targetModules: ["words"] });
  expect(() => inject(new SmallModel(), words, { generator: new torch.Generator(1) })).toThrow(/embedding words/);
});

const withDefaults = families.filter((family) => existsSync(join(GOLDEN, family, "adapters/ia3")));

test("families of every form of names have PEFT's default layers", () => {
  expect(withDefaults).toEqual(expect.arrayContaining(["bert", "roberta", "deberta-v2", "gpt2", "llama", "qwen2"]));
});

test.each(withDefaults)("%s: the layers by default are PEFT's, those that scale their input too", async (family) => {
  const architecture = architectureOf(readConfig(join(GOLDEN, family, "single")));
  const defaults = { ...architecture, modelType: modelTypeOf(architecture) };
  const targetModules = ia3.defaultTargets!(defaults);
  const own = ia3.fromSettings({ targetModules, ia3FeedforwardModules: undefined, ia3InitWeights: true }, defaults);
  const model = await openModel(family, "single");
  const { trained } = inject(model, ia3.config(own), { generator: new torch.Generator(1) });
  const saved = readTensors(join(GOLDEN, family, "adapters/ia3/adapter_model.safetensors"));
  const vectors = [...saved].filter(([name]) => name.endsWith("ia3_l"));
  expect(trained.map(({ name, tensor }) => [`base_model.model.${name}`, [...tensor.shape]]).sort()).toEqual(
    vectors.map(([name, { shape }]) => [name, [...shape]]).sort(),
  );
});

describe("feed-forward layers", () => {
  const settings = { targetModules: ["key", "value"], ia3InitWeights: true };

  test("that are named must be among the target modules, as in PEFT", () => {
    const named = { ...settings, ia3FeedforwardModules: ["value", "output.dense"] };
    expect(() => ia3.fromSettings(named, MODEL)).toThrow(
      "--ia3-feedforward-modules has output.dense, which is not among the target modules key, value: only layers with an adapter can be scaled.",
    );
    const pattern = { ...settings, ia3FeedforwardModules: ".*dense" };
    expect(ia3.fromSettings(pattern, MODEL).feedforwardModules).toBe(".*dense");
  });

  test("are those of the model by default, whatever the target modules are", () => {
    const own = ia3.fromSettings({ ...settings, ia3FeedforwardModules: undefined }, MODEL);
    expect(own).toMatchObject({ targetModules: ["key", "value"], feedforwardModules: ["output.dense"] });
  });

  test("that PEFT would refuse beside the target modules are written as paths, beside all paths", () => {
    const paths = ["layer.0.key", "layer.0.output.dense"];
    const stray = ia3.config({ targetModules: ["key", "dense"], feedforwardModules: ["output.dense"] });
    expect(ia3.codec.render(stray, paths)).toMatchObject({
      target_modules: paths,
      feedforward_modules: ["layer.0.output.dense"],
    });
    const listed = ia3.config({ targetModules: ["key", "output.dense"], feedforwardModules: ["output.dense"] });
    expect(ia3.codec.render(listed, paths)).toMatchObject({
      target_modules: ["key", "output.dense"],
      feedforward_modules: ["output.dense"],
    });
  });

  test("are matched by the ends of paths, dots aside, or by a regular expression for the whole path", () => {
    const shapes = (feedforwardModules: string | readonly string[]) =>
      open("float64", ia3.config({ targetModules: ["query"], feedforwardModules })).adapted.trained.map(
        ({ tensor }) => [...tensor.shape],
      );
    const [input, output] = [
      [1, 6],
      [5, 1],
    ];
    expect(shapes(["uery"])).toEqual([input, input]);
    expect(shapes(".*layer\\.1\\.query")).toEqual([output, input]);
    expect(shapes("query")).toEqual([output, output]);
  });

  test("must be in a file", () => {
    const json = { peft_type: "IA3", target_modules: ["query"] };
    expect(() => parsePeftConfig("adapter_config.json", json)).toThrow(
      "adapter_config.json: feedforward_modules is null: list the layers whose input is scaled.",
    );
  });
});

test("adapter_config.json has the keys that PEFT writes, and is read as it was written", () => {
  const settings = ia3.config({ ...config, initWeights: false, excludeModules: ["0.query"] });
  const written = renderPeftConfig(settings, ORIGIN, []);
  expect(Object.keys(JSON.parse(written)).sort()).toEqual(
    [
      ...["auto_mapping", "base_model_name_or_path", "exclude_modules", "fan_in_fan_out", "feedforward_modules"],
      ...["inference_mode", "init_ia3_weights", "modules_to_save", "peft_type", "peft_version", "revision"],
      ...["target_modules", "task_type"],
    ].sort(),
  );
  const read = parsePeftConfig("adapter_config.json", JSON.parse(written)).config;
  expect(read).toEqual(settings);
});

test("a saved adapter holds adapter_config.json and its vectors, and nothing of bidora's own", async () => {
  const { model, adapted } = open("float32");
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const folder = newFolder();
  writeAdapter(folder, { config, tensors: savedTensors(adapted), ...ORIGIN, metadata: undefined });
  expect(readdirSync(folder).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
  const again = new SmallModel("float32");
  attachAdapter(again, await readAdapter(folder), { generator: new torch.Generator(9) });
  expect(again.forward(IDS, EVALUATION).toArray()).toEqual(model.forward(IDS, EVALUATION).toArray());
});

test("converts to a plain LoRA of full rank with a bias of its own, without error", () => {
  const { model, adapted } = open();
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const lora = toLora(adapted);
  expect(lora.config).toMatchObject({ method: "lora", rank: 5, alpha: 5, loraBias: true });
  expect(lora.relativeError).toBeLessThan(1e-6);
  const fresh = new SmallModel();
  const saved = { ...lora, ...ORIGIN, metadata: undefined };
  attachAdapter(fresh, saved, { generator: new torch.Generator(4), dtype: "float64" });
  expectClose(fresh.forward(IDS, EVALUATION), model.forward(IDS, EVALUATION), 1e-6);
});
