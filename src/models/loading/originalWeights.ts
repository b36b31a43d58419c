import { openCheckpoint } from "../../formats/index.js";
import type * as torch from "../../torch/index.js";
import { PackedWeight, type Parameter } from "../nn/index.js";
import type { LoadedModel } from "./loadModel.js";
import { WeightSource } from "./weightSource.js";

/** Readers of the values that matrices were packed from, each [out, in]. Matrices that the file has packed have none. */
export type OriginalWeights = ReadonlyMap<Parameter, (dtype: torch.DType) => torch.Tensor>;

/** Calls `body` with the original weights of a model, in the folder that it was loaded from. */
export function withOriginalWeights<T>(
  folder: string,
  { architecture, model }: Pick<LoadedModel, "architecture" | "model">,
  body: (originals: OriginalWeights) => T,
): T {
  const checkpoint = openCheckpoint(folder);
  try {
    const weights = new WeightSource(checkpoint, architecture, undefined, model.prefix);
    const isMade = ([path, parameter]: readonly [string, Parameter]) =>
      parameter.values instanceof PackedWeight &&
      weights.packed(path, parameter)?.format !== parameter.values.format.name;
    const made = [...model.baseParameters()].filter(isMade);
    return body(new Map(made.map(([path, parameter]) => [parameter, (dtype) => weights.read(path, parameter, dtype)])));
  } finally {
    checkpoint.close();
  }
}
