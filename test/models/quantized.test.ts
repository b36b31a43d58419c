import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { openCheckpoint } from "../../src/formats/checkpoint.js";
import { quantize } from "../../src/formats/gguf/elements.js";
import { openGguf } from "../../src/formats/gguf/file.js";
import { resolveModel } from "../../src/formats/resolveModel.js";
import { saveSafetensors } from "../../src/formats/safetensors/safetensors.js";
import {
  attachAdapter,
  type DoraConfig,
  doraConfig,
  inject,
  type LoraConfig,
  loraConfig,
} from "../../src/models/adapters/index.js";
import { type LoadModelOptions, loadModel, modelInput, type TaskModel } from "../../src/models/index.js";
import {
  type BaseDtype,
  crossEntropy,
  EVALUATION,
  linearCrossEntropy,
  PackedWeight,
  WEIGHT_FORMATS,
} from "../../src/models/nn/index.js";
import { TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { temporaryFolders } from "../formats/temporaryFolder.js";
import { expectClose, get, readTensors } from "../parity/goldenFiles.js";
import { wideFolder } from "../parity/support/wide.js";
import { GOLDEN } from "../support/golden.js";
import { expectSameBits } from "../torch/sameBits.js";
import { ownHead } from "./ownHead.js";

const golden = (name: string) => join(GOLDEN, `io/gguf/${name}`);
const folder = temporaryFolders();
beforeEach(() => {
  vi.stubEnv("XDG_CACHE_HOME", folder());
});

const ran = readTensors(golden("q8_0-ran.safetensors"));
/** Of numbers in float64: transformers computes angles of positions in float32 all the same. */
const TOLERANCE = 1e-7;
const ids = get(ran, "ids").toArray();
const input = () => modelInput([{ inputIds: ids, tokenTypeIds: ids.map(() => 0) }]);

async function open(options: Pick<LoadModelOptions, "dtype" | "baseDtype">): Promise<TaskModel> {
  const { head } = TASKS["causal-lm"];
  const source = await resolveModel(golden("q8_0.gguf"));
  return (await loadModel(source, { head, outputs: 0, generator: new torch.Generator(0), ...options })).model;
}

/** A matrix of Q8_0 blocks. */
function q8_0(shape: readonly number[], dtype: torch.DType, blocks: Uint8Array): PackedWeight {
  const format = WEIGHT_FORMATS.get("q8_0")!;
  return new PackedWeight(format, shape, dtype, [torch.fromBytes(blocks, [blocks.length], "uint8")]);
}

const gradients = (loss: torch.Tensor, of: readonly torch.Tensor[]) => torch.grad([loss], of) as torch.Tensor[];

describe("Q8_0", () => {
  const values = readTensors(golden("types.safetensors"));

  function blocksOf(): { readonly shape: readonly number[]; readonly blocks: Uint8Array } {
    const file = openGguf(golden("types.gguf"));
    try {
      return { shape: file.info("Q8_0").shape, blocks: file.readBytes("Q8_0") };
    } finally {
      file.close();
    }
  }

  test("blocks stand for the values that the Python package gguf reads", () => {
    const { shape, blocks } = blocksOf();
    const weight = q8_0(shape, "float32", blocks);
    expectSameBits(weight.dense(), get(values, "Q8_0"));
    expect([weight.shape, weight.bytes, weight.device]).toEqual([shape, blocks.length, "cpu"]);
  });

  test("rows are those of the table, in any order", () => {
    const { shape, blocks } = blocksOf();
    const rows = torch.tensor(Int32Array.of(2, 0, 2));
    for (const dtype of ["float32", "bfloat16"] as const) {
      const weight = q8_0(shape, dtype, blocks);
      expectSameBits(weight.rows(rows), torch.indexSelect(torch.castTo(get(values, "Q8_0"), dtype), 0, rows));
    }
  });

  test("values are rounded to the weight's dtype before they are widened", () => {
    const { shape, blocks } = blocksOf();
    const weight = q8_0(shape, "bfloat16", blocks);
    const rounded = torch.castTo(torch.castTo(get(values, "Q8_0"), "bfloat16"), "float32");
    expectSameBits(weight.dense("float32"), rounded);
    expectSameBits(
      weight.use((dense) => torch.clone(dense), "float32"),
      rounded,
    );
  });
});

describe("a GGUF file of Q8_0 blocks", () => {
  const weights = readTensors(golden("q8_0.safetensors"));

  test.each(["float32", "bfloat16"] as const)("is loaded as tensors for baseDtype %s", async (baseDtype) => {
    const model = await open({ dtype: "float32", baseDtype });
    for (const [path, { tensor }] of model.namedParameters()) {
      const isLinear = tensor.dtype === "bfloat16";
      expectSameBits(tensor, torch.castTo(get(weights, path), isLinear ? "bfloat16" : "float32"), path);
      expect(isLinear, path).toBe(baseDtype === "bfloat16" && path.includes("_proj"));
    }
  });

  test.each([undefined, "q8_0"] as const)(
    "keeps its blocks for baseDtype %s: 34 bytes for 32 values, in transformers' order of rows",
    async (baseDtype) => {
      const model = await open({ dtype: "float32", baseDtype });
      const dense: string[] = [];
      for (const [path, { values, shape }] of model.namedParameters()) {
        expectSameBits(values.dense(), get(weights, path), path);
        if (values.isDense) dense.push(path.replace(/\.\d+\./, ".N."));
        else expect(values.bytes, path).toBe((torch.numelOf(shape) * 34) / 32);
      }
      // Rows of 80 don't fill blocks.
      const norms = ["input_layernorm", "post_attention_layernorm"].map((name) => `model.layers.N.${name}.weight`);
      expect(new Set(dense)).toEqual(new Set(["model.layers.N.mlp.down_proj.weight", ...norms, "model.norm.weight"]));
    },
  );

  test("has values in the model's dtype", async () => {
    const model = await open({ dtype: "bfloat16", baseDtype: "q8_0" });
    for (const [path, { values }] of model.namedParameters())
      expectSameBits(values.dense(), torch.castTo(get(weights, path), "bfloat16"), path);
  });

  test("has transformers' logits", async () => {
    const model = await open({ dtype: "float64", baseDtype: "q8_0" });
    expectClose(model.forward(input(), EVALUATION), get(ran, "logits"), TOLERANCE);
  });

  test.each([
    ["lora", loraConfig({ rank: 4, alpha: 8 })],
    ["dora", doraConfig({ rank: 4, alpha: 8 })],
  ] as [string, LoraConfig | DoraConfig][])("has PEFT's gradients of %s", async (name, config) => {
    const model = await open({ dtype: "float64", baseDtype: "q8_0" });
    const own = [...ran].filter(([key]) => key.startsWith(`${name}/model.`));
    const tensors = new Map(own.map(([key, tensor]) => [key.slice(name.length + 1), tensor]));
    const saved = { config, tensors, metadata: undefined, taskType: "CAUSAL_LM", baseModel: "x", revision: undefined };
    const { trained } = attachAdapter(model, saved, { generator: new torch.Generator(0), dtype: "float64" });
    const logits = torch.narrow(model.forward(input(), { masks: undefined }), 0, 0, ids.length - 1);
    const next = torch.tensor(ids.slice(1), [ids.length - 1], "int64");
    const loss = torch.divScalar(crossEntropy(logits, next), ids.length - 1);
    expectClose(torch.reshape(loss, [1]), get(ran, `${name}/loss`), TOLERANCE);
    const found = gradients(
      loss,
      trained.map(({ tensor }) => tensor),
    );
    for (const [i, member] of trained.entries())
      expectClose(found[i]!, get(ran, `${name}/grad/${member.name}`), 10 * TOLERANCE, member.name);
  });

  test.each([
    ["LoRA", loraConfig({ rank: 2, targetModules: ["embed_tokens", "lm_head"] })],
    ["DoRA", doraConfig({ rank: 2, targetModules: ["embed_tokens", "lm_head"], normGradient: "full" })],
  ] as [string, LoraConfig | DoraConfig][])(
    "%s of the embeddings and of the output tied to them",
    async (_, config) => {
      const found = await Promise.all(
        [{ baseDtype: "q8_0" } as const, {}].map(async (held) => {
          const model = await open({ dtype: "float32", ...held });
          const { trained } = inject(model, config, { generator: new torch.Generator(1) });
          const y = model.forward(input(), { masks: undefined });
          return [
            y,
            ...gradients(
              torch.sum(torch.square(y)),
              trained.map(({ tensor }) => tensor),
            ),
          ];
        }),
      );
      for (const [i, tensor] of found[0]!.entries()) expectSameBits(tensor, found[1]![i]!, `${i}`);
    },
  );

  test("the loss of all tokens never has the output matrix for longer than it computes", async () => {
    const found = await Promise.all(
      [{ baseDtype: "q8_0" } as const, {}].map(async (held) => {
        const { outputLayer } = await open({ dtype: "float32", ...held });
        const states = torch.normal_(torch.empty([5, 64]), 0, 1, { generator: new torch.Generator(2) });
        const targets = torch.tensor([1, 5, 9, 300, 2], [5], "int64");
        const loss = linearCrossEntropy(states.setRequiresGrad(true), outputLayer, targets, { masks: undefined });
        return [loss, ...gradients(loss, [states])];
      }),
    );
    for (const [i, tensor] of found[0]!.entries()) expectSameBits(tensor, found[1]![i]!);
  });

  test("nothing dense is kept for the backward pass", async () => {
    const [weight] = Array.from(
      (await open({ dtype: "float32", baseDtype: "q8_0" })).namedParameters(),
      ([, own]) => own.values,
    );
    const large = q8_0([4096, 1024], "float32", new Uint8Array((4096 * 1024 * 34) / 32));
    expect(weight!.isDense).toBe(false);
    const x = torch.ones([1, 1024]).setRequiresGrad(true);
    const before = torch.allocatedBytes();
    const y = large.use((weight) => torch.fastLinear(x, weight));
    expect(torch.allocatedBytes() - before).toBeLessThan(2 ** 20);
    expect(gradients(torch.sum(y), [x])[0]!.shape).toEqual([1, 1024]);
    expect(torch.allocatedBytes() - before).toBeLessThan(2 ** 20);
  });
});

describe("blocks made of a checkpoint's values", () => {
  const load = (source: string, baseDtype: BaseDtype = "q8_0") =>
    loadModel(source, {
      ...ownHead(openCheckpoint(source).config),
      dtype: "float32",
      baseDtype,
      generator: new torch.Generator(0),
    });

  test("are the Python package's, of matrices as [out, in]; the head and the embeddings stay tensors", async () => {
    const source = wideFolder(join(folder(), "wide"), "gpt2", "single");
    const { model } = await load(source);
    const file = openCheckpoint(source);
    const held = [...model.namedParameters()].filter(([, { values }]) => !values.isDense);
    expect(held.map(([path]) => path.replace(/^transformer\.h\.\d+\./, ""))).toEqual(
      [0, 1].flatMap(() => ["attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"]),
    );
    for (const [path, { values, shape }] of held) {
      const matrix = torch.contiguous(torch.t(file.readTensor(path)));
      expect(values.shape, path).toEqual(matrix.shape);
      const own = q8_0(shape, "float32", quantize(matrix, "Q8_0"));
      expectSameBits(values.dense(), own.dense(), path);
      const error = torch.max(torch.abs(torch.sub(values.dense(), matrix))).item();
      expect(error).toBeLessThan((torch.max(torch.abs(matrix)).item() / 127) * 0.51);
    }
    file.close();
  });

  /** The largest error of a value, relative to the largest in its row. */
  const ERRORS = { nf4: 0.16, fp4: 0.18, int8: 0.005, q8_0: 0.005, q4_0: 0.13, bfloat16: 0.004 } as const;

  test.each(Object.entries(ERRORS))("stand for nearly the same values in %s", async (baseDtype, largest) => {
    const source = wideFolder(join(folder(), "wide"), "bert", "single");
    const { model } = await load(source, baseDtype as BaseDtype);
    const { model: exact } = await load(source, "float32");
    const held = new Map(model.namedParameters());
    let changed = 0;
    for (const [path, { values }] of exact.namedParameters()) {
      const [own, wanted] = [held.get(path)!.values.dense("float32"), values.dense()];
      if (torch.equal(own, wanted)) continue;
      changed++;
      const error = torch.max(torch.div(torch.abs(torch.sub(own, wanted)), torch.max(torch.abs(wanted)))).item();
      expect(error, path).toBeLessThan(largest);
    }
    expect(changed).toBe(19);
  });

  test("leave a language model's embeddings and output as they are", async () => {
    const { model } = await load(wideFolder(join(folder(), "wide"), "llama", "lm"));
    const dense = [...model.namedParameters()].filter(([, { values }]) => values.isDense).map(([path]) => path);
    const matrices = dense.filter((path) => !path.includes("norm") && !path.endsWith("bias"));
    expect(matrices).toEqual(["model.embed_tokens.weight", "lm_head.weight"]);
  });

  test("are refused for a model without a row of whole blocks", async () => {
    const narrow = join(GOLDEN, "bert/single");
    await expect(load(narrow)).rejects.toThrow(
      "No effect: q8_0 holds rows of whole blocks of 32 values, and no linear layer of this model has such rows; leave out baseDtype (--base-dtype).",
    );
  });

  test("are refused where a value is not finite", async () => {
    const source = wideFolder(join(folder(), "wide"), "bert", "single");
    const file = openCheckpoint(source);
    const tensors = new Map(file.names.map((name) => [name, file.readTensor(name)]));
    file.close();
    const name = "bert.encoder.layer.1.output.dense.weight";
    torch.fill_(torch.narrow(tensors.get(name)!, 0, 0, 1), Number.NaN);
    saveSafetensors(join(source, "model.safetensors"), [...tensors], { format: "pt" });
    await expect(load(source)).rejects.toThrow(
      `${name} in ${source} can't be quantized to q8_0: some values are not finite; leave out baseDtype (--base-dtype).`,
    );
  });
});
