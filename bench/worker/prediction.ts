import { packLinears } from "../../src/nn/index.js";
import { TASKS } from "../../src/tasks/index.js";
import { predictRows } from "../../src/train/evaluation.js";
import type { OwnSpec } from "../protocol.js";
import { adaptedModel, labelsOf } from "./adaptedModel.js";
import { batchSizeOf, rowsOf } from "./rows.js";
import type { Work } from "./work.js";

/** Predictions for all rows, as `evaluate` and `predict` compute them. */
export async function prediction(spec: OwnSpec): Promise<Work> {
  const { model, kind } = await adaptedModel(spec);
  packLinears(model);
  const rows = rowsOf(spec);
  const options = { task: TASKS[kind], labels: labelsOf(spec), batchSize: batchSizeOf(spec) };
  return async () => {
    await predictRows(model, rows, options, () => {});
  };
}
