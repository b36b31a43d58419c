import { describe, expect, test } from "vitest";
import { saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import {
  ADAPTER_METHODS,
  attachAdapter,
  inject,
  mergedWeight,
  readAdapter,
  savedTensors,
  toLora,
  writeAdapter,
} from "../../../src/models/adapters/index.js";
import { parsePeftConfig, renderPeftConfig } from "../../../src/models/adapters/peft/peftConfig.js";
import { EVALUATION, type Linear } from "../../../src/models/nn/index.js";
import { resolveRun, settle } from "../../../src/tasks/config/index.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { expectClose } from "../../parity/goldenFiles.js";
import { openModel } from "../../parity/support/adapted.js";
import { IDS, perturb, SmallModel } from "./smallModel.js";

const newFolder = temporaryFolders();
const { oft } = ADAPTER_METHODS;
type Options = Parameters<typeof oft.config>[0];
const ORIGIN = { taskType: "SEQ_CLS", baseModel: "some/base", revision: undefined };

function open(options: Options = {}, { dtype = "float64" as torch.DType, isTrained = true } = {}) {
  const model = new SmallModel(dtype);
  const config = oft.config({ targetModules: ["query", "value"], rank: 2, ...options });
  const adapted = inject(model, config, { generator: new torch.Generator(3), dtype });
  if (isTrained) perturb(adapted.trained.map(({ tensor }) => tensor));
  return { model, config, adapted };
}

/** W0⁻¹·W' of a layer that is square, as the transposed rotation. */
function rotationOf(options: Options): torch.Tensor {
  const { adapted } = open({ targetModules: ["pre_classifier"], ...options });
  const [module] = adapted.modules;
  const weight = (module!.layer as Linear).weight.values.dense("float64");
  return torch.t(torch.linalgSolve(weight, mergedWeight(module!, "float64")));
}

const identity = (size: number) => torch.eye(size, { dtype: "float64" });

describe("a new adapter", () => {
  test("has PEFT's names and shapes, and zeros, all decayed; of an embedding the outputs are rotated", () => {
    const { adapted } = open({ targetModules: ["query", "value", "words"], rank: 3 }, { isTrained: false });
    expect(adapted.trained.slice(0, 3).map(({ name, tensor, decays }) => [name, [...tensor.shape], decays])).toEqual([
      ["words.oft_embedding_R.weight", [3, 1], true],
      ["encoder.layer.0.query.oft_R.weight", [3, 1], true],
      ["encoder.layer.0.value.oft_R.weight", [1, 10], true],
    ]);
    for (const { tensor } of adapted.trained) expect(new Set(tensor.toArray())).toEqual(new Set([0]));
  });

  test("of shared blocks has one, whatever their number", () => {
    const { adapted } = open({ oftBlockShare: true }, { isTrained: false });
    expect(adapted.trained.map(({ tensor }) => [...tensor.shape])).toEqual([
      [1, 3],
      [1, 10],
      [1, 3],
      [1, 10],
    ]);
  });

  test("without initialized weights has normally distributed ones, which differ from layer to layer", () => {
    const { adapted } = open({ initWeights: false }, { isTrained: false });
    const drawn = adapted.trained.flatMap(({ tensor }) => tensor.toArray());
    expect(new Set(drawn).size).toBe(drawn.length);
    expect(Math.max(...drawn.map(Math.abs))).toBeLessThan(0.5);
  });
});

describe("blocks", () => {
  // Of 36 and 52 inputs, as PEFT's adjust_oft_parameters; test/golden/oft has adapters of PEFT with some of these.
  test.each([
    [36, { rank: 7 }, 6],
    [36, { rank: 5 }, 4],
    [36, { rank: 11 }, 12],
    [36, { rank: 16 }, 18],
    [52, { rank: 7 }, 4],
    [36, { blockSize: 10 }, 9],
    [36, { blockSize: 100 }, 36],
    [52, { blockSize: 10 }, 13],
  ])("of a width of %i with %o: PEFT's nearest divisor", (width, given, expected) => {
    const slot = { path: "a", kind: "linear", in: width, out: 5 } as never;
    const config = oft.config(given);
    const [spec] = oft.inLayers!.tensors(slot, config);
    const size = "blockSize" in given ? expected : width / expected;
    expect(spec!.shape).toEqual([width / size, (size * (size - 1)) / 2]);
  });

  test("of a given size have no number, which a file would have beside it", () => {
    expect(oft.config({ blockSize: 4 })).toMatchObject({ rank: 0, blockSize: 4 });
    expect(oft.config({})).toMatchObject({ rank: 8, blockSize: 0 });
  });

  test("of single values are refused, and nothing is added", () => {
    const model = new SmallModel();
    const start = (options: Options) => () =>
      inject(model, oft.config({ targetModules: ["query"], ...options }), { generator: new torch.Generator(1) });
    expect(start({})).toThrow(
      "encoder.layer.0.query has 6 inputs, which 8 blocks (--rank) split into single values, and these cannot be rotated: take fewer and larger blocks.",
    );
    expect(start({ blockSize: 1 })).toThrow("which a block size of 1 split");
    expect([...model.namedParameters()].some(([name]) => name.includes("oft"))).toBe(false);
  });
});

test("a Conv1D, for which PEFT has no OFT, is refused", async () => {
  const model = await openModel("gpt2", "single");
  const start = () =>
    inject(model, oft.config({ targetModules: ["c_attn"], rank: 2 }), { generator: new torch.Generator(1) });
  expect(start).toThrow("OFT goes to nn.Linear layers only, as in PEFT, and transformer.h.0.attn.c_attn is a Conv1D");
});

describe("a rotation", () => {
  test("of the Cayley transform is orthogonal, in blocks; of the series nearly, and more so with more terms", () => {
    const lost = (options: Options) => {
      const r = rotationOf({ rank: 2, ...options });
      return torch.max(torch.abs(torch.sub(torch.matmul(r, torch.t(r)), identity(6)))).item();
    };
    expect(lost({ oftCayleyNeumann: false })).toBeLessThan(1e-12);
    const errors = [2, 5, 9, 13].map((oftCayleyTerms) => lost({ oftCayleyTerms }));
    expect(errors).toEqual(errors.toSorted((a, b) => b - a));
    const r = rotationOf({ rank: 2, oftCayleyNeumann: false });
    expect(torch.max(torch.abs(torch.narrow(torch.narrow(r, 0, 0, 3), 1, 3, 3))).item()).toBeLessThan(1e-12);
  });

  test("by the series turns the other way than by the Cayley transform, as in PEFT", () => {
    const [series, exact] = [rotationOf({ oftCayleyTerms: 40 }), rotationOf({ oftCayleyNeumann: false })];
    expectClose(torch.t(series), exact, 1e-6);
  });

  test("by three terms is that by four, as in PEFT", () => {
    expect(rotationOf({ oftCayleyTerms: 3 }).toArray()).toEqual(rotationOf({ oftCayleyTerms: 4 }).toArray());
    expect(rotationOf({ oftCayleyTerms: 2 }).toArray()).not.toEqual(rotationOf({ oftCayleyTerms: 3 }).toArray());
  });

  test("in inference follows a weight that changes", () => {
    const { model, adapted } = open();
    const before = model.forward(IDS, EVALUATION).toArray();
    expect(model.forward(IDS, EVALUATION).toArray()).toEqual(before);
    perturb([adapted.trained[0]!.tensor], 11);
    expect(model.forward(IDS, EVALUATION).toArray()).not.toEqual(before);
  });

  test("of a bfloat16 input is computed in float32 and rounded once, as in PEFT", () => {
    const x = torch.castTo(torch.tensor(Float32Array.from([0.3, -1, 2, 0.5, 1.5, -0.2]), [1, 6]), "bfloat16");
    const rotated = (dtype: "bfloat16" | "float32"): torch.Tensor => {
      const { modules, trained } = inject(new SmallModel(dtype), oft.config({ targetModules: ["query"], rank: 2 }), {
        generator: new torch.Generator(3),
      });
      perturb(trained.map(({ tensor }) => tensor));
      const layer = modules[0]!.layer as Linear;
      layer.base = (input) => input;
      return layer.forward(torch.castTo(x, dtype), EVALUATION);
    };
    expect(rotated("bfloat16").dtype).toBe("bfloat16");
    expect(rotated("bfloat16").toArray()).toEqual(torch.castTo(rotated("float32"), "bfloat16").toArray());
    expect(rotated("bfloat16").toArray()).not.toEqual(x.toArray());
  });
});

describe("constrained OFT", () => {
  const options = { oftCoft: true, oftEps: 0.3, rank: 3 } as const;
  const lengths = (tensor: torch.Tensor) =>
    torch.mulScalar(torch.linalgVectorNorm(tensor, 2, [1]), Math.SQRT2).toArray();

  test("shortens every block to ε / √k when it is attached, and after each step", () => {
    const { config, adapted } = open(options);
    const saved = { config, tensors: savedTensors(adapted), ...ORIGIN, metadata: undefined };
    const before = adapted.trained[0]!.tensor.toArray();
    const { trained, hooks } = attachAdapter(new SmallModel(), saved, {
      generator: new torch.Generator(1),
      dtype: "float64",
    });
    const [first] = trained;
    for (const length of lengths(first!.tensor)) expect(length).toBeLessThanOrEqual(0.3 / Math.sqrt(3) + 1e-12);
    expect(Math.max(...lengths(first!.tensor))).toBeCloseTo(0.3 / Math.sqrt(3), 12);
    expect(adapted.trained[0]!.tensor.toArray()).toEqual(before);
    perturb(trained.map(({ tensor }) => tensor));
    expect(Math.max(...lengths(first!.tensor))).toBeGreaterThan(0.3);
    torch.noGrad(() => hooks!.afterStep!({ step: 1, steps: 2, gradients: new Map() }));
    expect(Math.max(...lengths(first!.tensor))).toBeCloseTo(0.3 / Math.sqrt(3), 12);
  });

  test("does not go with an upper level, nor does an adapter that has it", () => {
    const settings = { ...oft.toSettings(oft.config(options)), method: "oft" } as const;
    expect(() => resolveRun({ model: "m", ...settings, upper: "head" })).toThrow(
      "--oft-coft does not go with --upper head, whose hypergradient would need the derivative of the constraint: leave one of them out.",
    );
    expect(() => settle({ flags: { model: "m", method: "oft", upper: "head" }, adapter: settings })).toThrow(
      "--oft-coft",
    );
    expect(resolveRun({ model: "m", ...settings }).oftCoft).toBe(true);
  });

  test("leaves shorter blocks as they are, to the bit, and zeros zeros", () => {
    const { adapted } = open({ ...options, oftEps: 100 });
    const before = adapted.trained.map(({ tensor }) => tensor.toArray());
    torch.noGrad(() => adapted.hooks!.afterStep!({ step: 1, steps: 2, gradients: new Map() }));
    expect(adapted.trained.map(({ tensor }) => tensor.toArray())).toEqual(before);
    const started = open(options, { isTrained: false }).adapted;
    for (const { tensor } of started.trained) expect(new Set(tensor.toArray())).toEqual(new Set([0]));
  });
});

describe("adapter_config.json", () => {
  const KEYS = [
    ...["auto_mapping", "base_model_name_or_path", "bias", "block_share", "coft", "eps", "exclude_modules"],
    ...["fan_in_fan_out", "inference_mode", "init_weights", "layers_pattern", "layers_to_transform", "module_dropout"],
    ...["modules_to_save", "num_cayley_neumann_terms", "oft_block_size", "peft_type", "peft_version", "r", "revision"],
    ...["target_modules", "task_type", "use_cayley_neumann"],
  ];
  const PLAIN = { peft_type: "OFT", peft_version: "0.21.2", target_modules: ["query"] };
  const read = (json: object) => parsePeftConfig("adapter_config.json", { ...PLAIN, ...json }).config;

  test("has the keys that PEFT writes, and is read as it was written", () => {
    const settings = oft.config({
      ...{ targetModules: ["query"], rank: 5, oftBlockShare: true, oftCayleyNeumann: false, oftCayleyTerms: 7 },
      ...{ oftCoft: true, oftEps: 1e-3, moduleDropout: 0.25, initWeights: false, bias: "adapted" },
    });
    const written = JSON.parse(renderPeftConfig(settings, ORIGIN, []));
    expect(Object.keys(written).sort()).toEqual(KEYS);
    expect(written).toMatchObject({ r: 5, oft_block_size: 0, bias: "oft_only", fan_in_fan_out: false });
    expect(parsePeftConfig("adapter_config.json", written).config).toEqual(settings);
  });

  test("without numbers has PEFT's blocks of 32, of which bidora keeps the size", () => {
    const config = read({});
    expect(config).toMatchObject({ rank: 0, blockSize: 32 });
    expect(JSON.parse(renderPeftConfig(config, ORIGIN, []))).toMatchObject({ r: 0, oft_block_size: 32 });
    expect(oft.toSettings(config as never)).not.toHaveProperty("rank");
  });

  test.each([
    [{ r: 0, oft_block_size: 0 }, "r and oft_block_size are both 0: one of them must be above 0"],
    [{ r: 4 }, "r is 4 and oft_block_size is 32, but one follows from the other: one of them must be 0"],
    [{ num_cayley_neumann_terms: 1 }, "num_cayley_neumann_terms is 1, with which every rotation is the identity"],
    [{ peft_version: "0.17.1" }, "it is from a PEFT before 0.18.0, whose Cayley-Neumann series was another one"],
    [{ peft_version: null }, "it is from a PEFT before 0.18.0"],
    [{ layers_pattern: ["layer"] }, "layers_pattern needs layers_to_transform"],
    [{ eps: 0 }, "eps is 0"],
  ])("with %o is refused", (json, why) => {
    expect(() => read(json)).toThrow(`adapter_config.json: ${why}`);
  });

  test("of another version is taken where the series is not used", () => {
    for (const peft_version of ["0.17.1", null])
      expect(read({ use_cayley_neumann: false, num_cayley_neumann_terms: 1, peft_version })).toMatchObject({ rank: 0 });
    for (const peft_version of ["0.18.0", "0.19.0.dev0@abc", "1.0.0"])
      expect(read({ peft_version }).method).toBe("oft");
  });
});

test("tensors of PEFT's older OFT are refused", async () => {
  const { config, adapted } = open({}, { dtype: "float32" });
  const folder = newFolder();
  writeAdapter(folder, { config, tensors: savedTensors(adapted), ...ORIGIN, metadata: undefined });
  saveSafetensors(`${folder}/adapter_model.safetensors`, [
    ["base_model.model.encoder.layer.0.query.oft_r.default", torch.zeros([2, 3, 3])],
  ]);
  await expect(readAdapter(folder)).rejects.toThrow(
    "encoder.layer.0.query.oft_r.default is from a PEFT before 0.16.0, whose OFT was another one: train it again with a newer PEFT.",
  );
});

test("converts to a plain LoRA of full rank without error", () => {
  const { model, adapted } = open({ targetModules: ["words", "query"] });
  const lora = toLora(adapted);
  expect(lora.relativeError).toBeLessThan(1e-6);
  const fresh = new SmallModel();
  attachAdapter(
    fresh,
    { ...lora, ...ORIGIN, metadata: undefined },
    { generator: new torch.Generator(4), dtype: "float64" },
  );
  expectClose(fresh.forward(IDS, EVALUATION), model.forward(IDS, EVALUATION), 1e-6);
});
