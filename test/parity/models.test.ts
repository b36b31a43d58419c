import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../../src/io/checkpoint.js";
import { type Head, inferHead, type LoadedModel, loadModel, toModelInput } from "../../src/models/index.js";
import {
  binaryCrossEntropy,
  crossEntropy,
  type Dropout,
  EVALUATION,
  type ForwardContext,
  Linear,
  type MaskSource,
  type Module,
  meanSquaredError,
} from "../../src/nn/index.js";
import * as torch from "../../src/torch/index.js";
import {
  batchOf,
  expectClose,
  type ForwardCase,
  families,
  GOLDEN,
  get,
  manifest,
  readJson,
  readTensors,
  type Tensors,
} from "./goldenFiles.js";

const TOKENS: Head = { kind: "token-classification", labels: ["a", "b"] };
const TWICE: ForwardContext = { ...EVALUATION, differentiateTwice: true };

async function load(folder: string, dtype: torch.DType = "float32"): Promise<LoadedModel> {
  const checkpoint = openCheckpoint(folder);
  const head = inferHead(checkpoint.config) ?? TOKENS;
  const loaded = await loadModel(checkpoint, { head, dtype, generator: new torch.Generator(1) });
  checkpoint.close();
  return loaded;
}

function lossOf(kind: ForwardCase["head"], logits: torch.Tensor, labels: torch.Tensor): torch.Tensor {
  if (kind === "multi") return binaryCrossEntropy(logits, labels);
  return kind === "regression" ? meanSquaredError(torch.reshape(logits, [-1]), labels) : crossEntropy(logits, labels);
}

const cases = families.flatMap((family) => manifest(family).forward.map((entry) => ({ family, ...entry })));

describe.each(cases)("$family: checkpoint $checkpoint, rows $rows", ({ family, checkpoint, head, file }) => {
  const golden = readTensors(join(GOLDEN, family, file));
  const folder = join(GOLDEN, family, checkpoint);

  test.each([
    ["float32", "fused attention", EVALUATION, 1e-5],
    ["float32", "plain attention", TWICE, 1e-5],
    ["float64", "fused attention", EVALUATION, 1e-5],
    ["bfloat16", "fused attention", EVALUATION, 0.05],
  ] as const)("in %s with %s", async (dtype, _, context, tolerance) => {
    const { model, drawn } = await load(folder, dtype);
    const input = toModelInput(batchOf(golden));
    for (const [i, state] of model.hiddenStates(input, context).entries()) {
      expectClose(state, get(golden, `hidden.${i}`), tolerance, `hidden state ${i}`);
    }
    expect(drawn).toEqual(head === "none" ? ["classifier"] : []);
    if (head === "none") return;
    const logits = model.forward(input, context);
    expect(logits.dtype).toBe(dtype === "float64" ? "float64" : "float32");
    expectClose(logits, get(golden, "logits"), tolerance, "logits");
    if (dtype !== "float32") return;
    expectClose(lossOf(head, logits, get(golden, "labels")), get(golden, "loss"), tolerance, "loss");
  });
});

test.each(families.filter((family) => manifest(family).fullGradient))(
  "%s: the gradient of every parameter",
  async (family) => {
    const { checkpoint, batch, file } = manifest(family).fullGradient!;
    const golden = readTensors(join(GOLDEN, family, batch));
    const gradients = readTensors(join(GOLDEN, family, file));
    const { model } = await load(join(GOLDEN, family, checkpoint));
    const parameters = Array.from(model.namedParameters());
    for (const [, parameter] of parameters) parameter.tensor.setRequiresGrad(true);

    const logits = model.forward(toModelInput(batchOf(golden)), EVALUATION);
    torch.backward(crossEntropy(logits, get(golden, "labels")));

    expect(parameters.map(([path]) => path).sort()).toEqual(
      Array.from(gradients.keys(), (name) => name.slice(5)).sort(),
    );
    for (const [path, parameter] of parameters) {
      const expected = get(gradients, `grad.${path}`);
      if (path.endsWith("key.bias"))
        expect(Math.max(...parameter.tensor.grad!.toArray().map(Math.abs))).toBeLessThan(1e-7);
      else expectClose(parameter.tensor.grad!, expected, 2e-5, path);
    }
  },
);

/** Gives each dropout the mask that a golden file recorded for its path; a second call of the same one, the second mask. */
class RecordedMasks implements MaskSource {
  private readonly paths: ReadonlyMap<Module, string>;
  private readonly calls = new Map<string, number>();

  constructor(
    model: Module,
    private readonly golden: Tensors,
    private readonly input: ReturnType<typeof toModelInput>,
  ) {
    this.paths = new Map(Array.from(model.namedModules(), ([path, module]) => [module, path]));
  }

  draw(dropout: Dropout, shape: readonly number[]): torch.Tensor {
    return this.at(this.paths.get(dropout) as string, dropout.p, shape);
  }

  at(path: string, p: number, shape: readonly number[]): torch.Tensor {
    const call = this.calls.get(path) ?? 0;
    this.calls.set(path, call + 1);
    const kept = get(this.golden, `mask.${path}${call > 0 ? `#${call}` : ""}`);
    const scaled = torch.divScalar(torch.to(kept, "float32"), 1 - p);
    return kept.shape.length === 3 ? this.flat(scaled, shape[0] as number) : scaled;
  }

  get used(): string[] {
    return Array.from(this.calls, ([path, calls]) =>
      Array.from({ length: calls }, (_, i) => path + (i ? `#${i}` : "")),
    ).flat();
  }

  /** [rows, length, width] → the real tokens, or each row's first. */
  private flat(mask: torch.Tensor, tokens: number): torch.Tensor {
    const all = torch.reshape(mask, [-1, mask.shape[2] as number]);
    const { layout, ids } = this.input;
    const longest = mask.shape[1] as number;
    const places = layout.lengths.flatMap((length, row) => Array.from({ length }, (_, i) => row * longest + i));
    const flat = torch.indexSelect(all, 0, torch.tensor(places, [places.length], "int64"));
    return tokens === ids.numel ? flat : torch.indexSelect(flat, 0, layout.first);
  }
}

interface LoraConfig {
  readonly r: number;
  readonly lora_alpha: number;
  readonly lora_dropout: number;
}

/** Puts the adapter's product onto each layer that it names, and its head into the model. */
function addLora(model: Module, folder: string, masks: RecordedMasks): void {
  const tensors = readTensors(join(folder, "adapter_model.safetensors"));
  const { r, lora_alpha, lora_dropout } = readJson<LoraConfig>(join(folder, "adapter_config.json"));
  for (const [path, layer] of model.namedModules()) {
    const a = tensors.get(`base_model.model.${path}.lora_A.weight`);
    if (!(layer instanceof Linear) || !a) continue;
    const b = get(tensors, `base_model.model.${path}.lora_B.weight`);
    layer.adapter = {
      forward: (x) => {
        const dropped = torch.mul(x, masks.at(`${path}.lora_dropout`, lora_dropout, x.shape));
        return torch.add(layer.base(x), torch.linear(torch.linear(dropped, a), b), { alpha: lora_alpha / r });
      },
    };
  }
  for (const [path, parameter] of model.namedParameters()) {
    const saved = tensors.get(`base_model.model.${path}`);
    if (saved) parameter.fill(saved);
  }
}

test.each(families.filter((family) => manifest(family).dropout))(
  "%s: dropout stands where transformers has it",
  async (family) => {
    const entry = manifest(family).dropout!.find(({ name }) => name === "lora-dropout")!;
    const golden = readTensors(join(GOLDEN, family, entry.file));
    const { model } = await load(join(GOLDEN, family, entry.checkpoint));
    const input = toModelInput(batchOf(golden));
    const masks = new RecordedMasks(model, golden, input);
    addLora(model, join(GOLDEN, family, entry.adapter), masks);

    const logits = model.forward(input, { masks, differentiateTwice: false });

    expectClose(logits, get(golden, "logits"), 1e-5);
    const recorded = Array.from(golden.keys()).filter((name) => name.startsWith("mask."));
    expect(masks.used.sort()).toEqual(recorded.map((name) => name.slice(5)).sort());
  },
);
