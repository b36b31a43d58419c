/** The tensors of a GGUF file, of a model or a LoRA. */

import type { LowRankUpdate } from "../../adapters/index.js";
import {
  headsOf,
  interleaveHalves,
  type NamedArchitecture,
  ROPE_FACTORS,
  tensorName,
} from "../../io/gguf/architectures.js";
import { type FileType, typeOf } from "../../io/gguf/quantize.js";
import type { GgufEntry } from "../../io/gguf/writer.js";
import type { DecoderConfig, TaskModel } from "../../models/index.js";
import { untied } from "../../models/modelFolder.js";
import * as torch from "../../torch/index.js";
import { exportError } from "./metadata.js";

/** Functions that compute parameters to write instead of the model's, by path. */
type Changed = ReadonlyMap<string, () => torch.Tensor>;

/** How an architecture's tensors are written. */
interface Layout {
  readonly architecture: NamedArchitecture;
  readonly config: DecoderConfig;
  readonly fileType: FileType;
}

/**
 * A model's parameters as llama.cpp's converter writes them.
 * @throws BidoraError `EXPORT` for a parameter that has no name in GGUF files
 */
export function modelTensors(model: TaskModel, layout: Layout, changed: Changed): GgufEntry[] {
  return [...model.baseParameters(), ...untied({ model, changed })].map(([path, parameter]) => {
    const { shape } = parameter;
    const value = changed.get(path) ?? (() => parameter.values.dense());
    const name = nameOf(layout.architecture, path);
    const tensor = () => torch.noGrad(() => laidOut(torch.castTo(value(), "float32"), name, layout));
    return { name, type: typeOf(layout.fileType, shape), shape, tensor };
  });
}

/** Converts values to the row order and form of GGUF files. */
function laidOut(values: torch.Tensor, name: string, { architecture, config }: Layout): torch.Tensor {
  if (architecture.addsOneToNorms && name.endsWith("norm.weight")) return torch.addScalar(values, 1);
  const heads = headsOf(architecture, name, { attn_q: config.heads, attn_k: config.kvHeads });
  return heads === undefined ? values : interleaveHalves(values, heads);
}

/** A parameter's name in GGUF files. @throws BidoraError `EXPORT` if it has none */
function nameOf(architecture: NamedArchitecture, path: string): string {
  const name = tensorName(architecture, path);
  if (name === undefined) throw exportError(`llama.cpp's ${architecture.name} has no tensor for ${path}.`);
  return name;
}

/** The divisors of the RoPE frequencies as a tensor. */
export function factorsTensor(factors: readonly number[]): GgufEntry {
  return {
    name: ROPE_FACTORS,
    type: "F32",
    shape: [factors.length],
    tensor: () => torch.tensor(Float32Array.from(factors)),
  };
}

// Shapes: A [r, in], B [out, r]; for an embedding A [r, tokens], B [dim, r].

interface LoraTensors {
  /** `adapter.lora.alpha`: llama.cpp multiplies a product of rank r by alpha / r. */
  readonly alpha: number;
  readonly tensors: readonly GgufEntry[];
}

/**
 * Updates in llama.cpp's format. It has a single alpha, so other scales are multiplied into B.
 * @throws BidoraError `EXPORT` for a module that llama.cpp's adapters can't change
 */
export function loraTensors(updates: readonly LowRankUpdate[], model: TaskModel, layout: Layout): LoraTensors {
  const alpha = commonAlpha(updates);
  const tensors = updates.flatMap((update) => {
    const path = `${update.path}.weight`;
    refuseTied(path, model);
    const name = nameOf(layout.architecture, path);
    const factor = (update.scale * update.rank) / alpha;
    const a = update.kind === "embedding" ? () => torch.t(update.a) : () => update.a;
    const b = () => laidOut(times(update.b, factor), name, layout);
    return [entry(`${name}.lora_a`, a, layout), entry(`${name}.lora_b`, b, layout)];
  });
  return { alpha, tensors };
}

/** The first module's alpha, so that B is unchanged if all modules have this alpha. llama.cpp takes 0 as no scale. */
const commonAlpha = (updates: readonly LowRankUpdate[]): number =>
  updates.map(({ scale, rank }) => Math.fround(scale * rank)).find((alpha) => alpha !== 0) ?? 1;

function times(values: torch.Tensor, factor: number): torch.Tensor {
  if (factor === 1) return torch.castTo(values, "float32");
  return torch.castTo(torch.mulScalar(torch.castTo(values, "float64"), factor), "float32");
}

function entry(name: string, tensor: () => torch.Tensor, { fileType }: Layout): GgufEntry {
  const { shape } = torch.noGrad(tensor);
  return { name, type: typeOf(fileType, shape), shape, tensor: () => torch.noGrad(tensor) };
}

/** llama.cpp would apply an update of a tied table to the other use of it too. */
function refuseTied(path: string, model: TaskModel): void {
  if (untied({ model, changed: new Map([[path, () => model.outputLayer.weight.values.dense()]]) }).length === 0) return;
  throw exportError(
    `the adapter changes ${path}, which ties the model's embeddings and output matrix, and llama.cpp's adapters can't change only one of ` +
      "them: use --to gguf, which unties them.",
  );
}
