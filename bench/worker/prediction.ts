import { packLinears } from "../../src/nn/index.js";
import { forwardAll } from "../../src/train/evaluation.js";
import type { OwnSpec } from "../protocol.js";
import { adaptedModel } from "./adaptedModel.js";
import type { Work } from "./main.js";
import { batchSizeOf, rowsOf } from "./rows.js";

/** The logits of all rows, as `evaluate` and `predict` compute them. */
export async function prediction(spec: OwnSpec): Promise<Work> {
  const { model, kind } = await adaptedModel(spec);
  packLinears(model);
  const rows = rowsOf(spec);
  return async () => {
    await forwardAll(model, rows, kind, batchSizeOf(spec));
  };
}
