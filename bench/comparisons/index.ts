import { type Context, settingsOf } from "../context.js";
import type { Row } from "../rows.js";
import { overhead } from "./overhead.js";
import { REAL_SETS, realPrediction, realTraining } from "./realData.js";
import { firstStep } from "./start.js";
import { bidora, dora, float32, lora } from "./steps.js";

/** A part of the table that is measured in one go. */
export interface Comparison {
  readonly name: string;
  run(context: Context): Promise<Row[]>;
}

/** Everything there is to measure, by the word that `--only` takes. */
export const COMPARISONS: Readonly<Record<string, (context: Context) => Comparison[]>> = {
  lora: (context) => settingsOf(context).map((setting) => ({ name: "lora", run: () => lora(context, setting) })),
  dora: (context) => settingsOf(context).map((setting) => ({ name: "dora", run: () => dora(context, setting) })),
  bidora: (context) => settingsOf(context).map((setting) => ({ name: "bidora", run: () => bidora(context, setting) })),
  float32: (context) =>
    settingsOf(context).map((setting) => ({ name: "float32", run: () => float32(context, setting) })),
  real: (context) =>
    REAL_SETS.map((set) => ({ name: `real data, ${set.folder}`, run: () => realTraining(context, set) })),
  predict: () => [{ name: "predict", run: realPrediction }],
  start: () => [{ name: "start", run: firstStep }],
  overhead: (context) =>
    settingsOf(context)
      .slice(0, 1)
      .map((setting) => ({ name: "overhead", run: () => overhead(context, setting) })),
};
