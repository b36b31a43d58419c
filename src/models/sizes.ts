import * as torch from "../torch/index.js";
import type { ModelConfig } from "./backbone.js";
import { configError } from "./configReader.js";
import type { TaskModel } from "./taskModel.js";

/**
 * A layer has several tensors: more layers than tensors can't be.
 * @throws BidoraError `CONFIG` before as many modules are made
 */
export function checkLayers({ layers }: ModelConfig, tensors: number): void {
  if (layers <= tensors) return;
  throw configError(`it asks for ${layers} layers, but the checkpoint has ${tensors} tensors in all.`);
}

/**
 * @param available bytes that are there to be had; where it is not known, the machine's memory is asked alone
 * @throws BidoraError `MEMORY` for a model that does not fit into the machine, or into what is available of it
 */
export function checkModelSize(model: TaskModel, dtype: torch.DType, available?: number): void {
  let elements = 0;
  for (const [, { shape }] of model.namedParameters()) elements += torch.numelOf(shape);
  torch.requireMemory(
    elements * torch.DTYPE_BYTES[dtype],
    `The model that config.json describes, ${elements} parameters,`,
    "check config.json, or take a smaller model",
    available,
  );
}
