import type { NamedArchitecture } from "../../io/gguf/architectures.js";
import { type FileType, typeOf } from "../../io/gguf/fileTypes.js";
import { type HeadCounts, headsOf, interleaveHalves } from "../../io/gguf/headRows.js";
import { ROPE_FACTORS, tensorName } from "../../io/gguf/names.js";
import type { GgufEntry } from "../../io/gguf/writer.js";
import type { DecoderConfig, TaskModel } from "../../models/index.js";
import * as torch from "../../torch/index.js";
import { exportError } from "./refuse.js";

/**
 * A model's parameters as llama.cpp's converter writes them.
 * @param changed parameters in the place of the model's, by path
 * @throws BidoraError `EXPORT` for a parameter that files have no place for
 */
export function modelTensors(
  model: TaskModel,
  architecture: NamedArchitecture,
  heads: HeadCounts,
  fileType: FileType,
  changed: ReadonlyMap<string, () => torch.Tensor>,
): GgufEntry[] {
  return Array.from(model.baseParameters(), ([path, parameter]) => {
    const name = nameOf(architecture, path);
    const { shape } = parameter;
    const value = changed.get(path) ?? (() => parameter.tensor);
    const isNorm = architecture.addsOneToNorms && name.endsWith("norm.weight");
    const shared = headsOf(architecture, name, heads);
    const tensor = (): torch.Tensor =>
      torch.noGrad(() => {
        const own = torch.castTo(value(), "float32");
        if (isNorm) return torch.addScalar(own, 1);
        return shared === undefined ? own : interleaveHalves(own, shared);
      });
    return { name, type: typeOf(fileType, shape), shape, tensor };
  });
}

export const headCounts = ({ heads, kvHeads }: DecoderConfig): HeadCounts => ({ attn_q: heads, attn_k: kvHeads });

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
