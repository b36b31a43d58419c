// Which matrices of a model are packed in its file, and how much that changes them.

import type { BitsandbytesFormat } from "../../formats/bitsandbytes/index.js";
import * as torch from "../../torch/index.js";
import { isWithin, Linear, OutputLinear } from "../nn/index.js";
import type { LoadedModel } from "./loadModel.js";

/** The paths of a model's linear layers: those to pack, and those that stay as they are: trained ones of the head, the output layer, unused ones. */
export function linearPaths({
  model,
  trainedModules = model.headModules,
}: Pick<LoadedModel, "model"> & Partial<Pick<LoadedModel, "trainedModules">>): {
  readonly packed: readonly string[];
  readonly plain: readonly string[];
} {
  const layers = [...model.baseModules()].filter(([, module]) => module instanceof Linear);
  const dense = model.denseModules(trainedModules);
  const isPlain = ([path, layer]: (typeof layers)[0]) =>
    layer instanceof OutputLinear || (layer as Linear).isUnused || dense.some((module) => isWithin(path, module));
  const paths = (of: typeof layers) => of.map(([path]) => path);
  return { packed: paths(layers.filter((layer) => !isPlain(layer))), plain: paths(layers.filter(isPlain)) };
}

/** A format for a model's file, and the error of what has been packed. */
export class Packing {
  #error = 0;
  #size = 0;

  constructor(readonly format: BitsandbytesFormat) {}

  /** Counts a matrix. */
  add(values: torch.Tensor, packed: torch.Tensor): void {
    this.#error += squares(torch.sub(packed, values));
    this.#size += squares(values);
  }

  /** The root of the mean squared error of all packed matrices, relative to that of their values. */
  get relativeError(): number {
    return this.#size === 0 ? 0 : Math.sqrt(this.#error / this.#size);
  }
}

const squares = (values: torch.Tensor): number => torch.sum(torch.square(torch.castTo(values, "float64"))).item();
