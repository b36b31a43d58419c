import { join } from "node:path";
import { openCheckpoint } from "../../../src/formats/checkpoint.js";
import {
  type AdaptedModel,
  attachAdapter,
  type MagnitudeAxis,
  type NormGradient,
  readAdapter,
} from "../../../src/models/adapters/index.js";
import { loadModel, type TaskModel } from "../../../src/models/index.js";
import * as torch from "../../../src/torch/index.js";
import { ownHead } from "../../models/ownHead.js";
import { DEVICE } from "../../support/device.js";
import { GOLDEN } from "../goldenFiles.js";

// One thread: such small models finish before other threads have woken up.
torch.setThreads(1);

export interface Adapted {
  readonly model: TaskModel;
  readonly adapted: AdaptedModel;
}

export interface AdaptedOptions {
  readonly dtype?: torch.DType;
  readonly axis?: MagnitudeAxis;
  readonly normGradient?: NormGradient;
  /** Overrides the adapter's tensors, by name without `base_model.model.`. */
  readonly start?: ReadonlyMap<string, torch.Tensor>;
}

/** A golden checkpoint's model. */
export async function openModel(
  family: string,
  checkpoint: string,
  dtype: torch.DType = "float32",
  device = DEVICE,
): Promise<TaskModel> {
  const opened = openCheckpoint(join(GOLDEN, family, checkpoint));
  try {
    const own = { ...ownHead(opened.config), dtype, device, generator: new torch.Generator(0) };
    return (await loadModel(opened, own)).model;
  } finally {
    opened.close();
  }
}

/** A golden checkpoint's model with a golden adapter. */
export async function openAdapted(
  family: string,
  { checkpoint, adapter }: { readonly checkpoint: string; readonly adapter: string },
  { dtype = "float32", axis = "out", normGradient = "detached", start = new Map() }: AdaptedOptions = {},
): Promise<Adapted> {
  const model = await openModel(family, checkpoint, dtype);
  const saved = await readAdapter(join(GOLDEN, family, adapter));
  const config = saved.config.method === "dora" ? { ...saved.config, axis, normGradient } : saved.config;
  const changed = { ...saved, config, tensors: new Map([...saved.tensors, ...start]) };
  return { model, adapted: attachAdapter(model, changed, { generator: new torch.Generator(0), dtype }) };
}
