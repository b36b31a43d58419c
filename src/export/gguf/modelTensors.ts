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
import { exportError } from "./refuse.js";

/** What computes parameters that stand in the place of a model's, by path. */
type Changed = ReadonlyMap<string, () => torch.Tensor>;

/** How a family's tensors are laid out in files. */
export interface Layout {
  readonly architecture: NamedArchitecture;
  readonly config: DecoderConfig;
  readonly fileType: FileType;
}

/**
 * A model's parameters as llama.cpp's converter writes them.
 * @throws BidoraError `EXPORT` for a parameter that files have no place for
 */
export function modelTensors(model: TaskModel, layout: Layout, changed: Changed): GgufEntry[] {
  return [...model.baseParameters(), ...untied({ model, changed })].map(([path, parameter]) => {
    const { shape } = parameter;
    const value = changed.get(path) ?? (() => parameter.tensor);
    const name = nameOf(layout.architecture, path);
    const tensor = () => torch.noGrad(() => laidOut(torch.castTo(value(), "float32"), name, layout));
    return { name, type: typeOf(layout.fileType, shape), shape, tensor };
  });
}

/** Values as files have them: rows in their order, norms as what is multiplied by. */
export function laidOut(values: torch.Tensor, name: string, { architecture, config }: Layout): torch.Tensor {
  if (architecture.addsOneToNorms && name.endsWith("norm.weight")) return torch.addScalar(values, 1);
  const heads = headsOf(architecture, name, { attn_q: config.heads, attn_k: config.kvHeads });
  return heads === undefined ? values : interleaveHalves(values, heads);
}

/** @throws BidoraError `EXPORT` for one that files have no place for */
export function nameOf(architecture: NamedArchitecture, path: string): string {
  const name = tensorName(architecture, path);
  if (name === undefined) throw exportError(`llama.cpp's ${architecture.name} has no place for ${path}.`);
  return name;
}

/** What frequencies are divided by, as a tensor. */
export function factorsTensor(factors: readonly number[]): GgufEntry {
  return {
    name: ROPE_FACTORS,
    type: "F32",
    shape: [factors.length],
    tensor: () => torch.tensor(Float32Array.from(factors)),
  };
}
