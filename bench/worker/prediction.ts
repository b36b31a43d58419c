import { packLinears } from "../../src/models/nn/index.js";
import { TASKS } from "../../src/tasks/index.js";
import { predictRows } from "../../src/use/evaluation/predictRows.js";
import type { OwnSpec } from "../turns/protocol.js";
import { adaptedModel, labelsOf } from "./adaptedModel.js";
import { batchSizeOf, rowsOf } from "./rows.js";
import type { Prepared } from "./work.js";

/** Predictions for all rows, as `evaluate` and `predict` compute them. */
export async function prediction(spec: OwnSpec): Promise<Prepared> {
  const { model } = await adaptedModel(spec);
  packLinears(model);
  const rows = rowsOf(spec);
  const options = { task: TASKS[spec.kind], labels: labelsOf(spec), batchSize: batchSizeOf(spec) };
  const work = async () => {
    for await (const _ of predictRows(model, rows, options));
  };
  return { work };
}
