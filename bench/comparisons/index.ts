import { type Context, type Setting, settingName, settingsOf } from "../context.js";
import type { Row } from "../rows.js";
import { distributed } from "./distributed.js";
import { learnAndEmbed } from "./embeddings.js";
import { generate } from "./generate.js";
import { LANGUAGE_MODELS, type LanguageModel, language, languageModelsOf } from "./language.js";
import { generationOnLibtorch, startOnLibtorch, stepsOnLibtorch } from "./libtorch.js";
import { overhead } from "./overhead.js";
import { packedGeneration } from "./packed/generation.js";
import { packedModelsOf } from "./packed/models.js";
import { packedProducts, productShapesOf, shapeName } from "./packed/products.js";
import { packedStep, packedStepsOf, stepName } from "./packed/training.js";
import { preference } from "./preference.js";
import { REAL_SETS, realPrediction, realTraining } from "./realData.js";
import { firstStep } from "./start.js";
import { bidora, dora, float32, lora } from "./steps.js";

/** Rows of the table that are measured together. */
export interface Comparison {
  readonly name: string;
  run(context: Context): Promise<Row[]>;
}

function stepRows(
  context: Context,
  name: string,
  rowsOf: (context: Context, setting: Setting) => Promise<Row[]>,
): Comparison[] {
  return settingsOf(context).map((setting) => ({
    name: `${name}, ${settingName(setting)}`,
    run: () => rowsOf(context, setting),
  }));
}

function modelRows(
  context: Context,
  name: string,
  rowsOf: (context: Context, model: LanguageModel) => Promise<Row[]>,
): Comparison[] {
  return languageModelsOf(context).map((model) => ({
    name: `${name}, ${LANGUAGE_MODELS[model]}`,
    run: () => rowsOf(context, model),
  }));
}

function onLibtorch(context: Context): Comparison[] {
  return [
    ...stepRows(context, "libtorch", stepsOnLibtorch),
    ...modelRows(context, "libtorch", generationOnLibtorch),
    { name: "libtorch, start", run: startOnLibtorch },
  ];
}

/** All comparisons, by the names that `--only` takes. */
export const COMPARISONS: Readonly<Record<string, (context: Context) => Comparison[]>> = {
  lora: (context) => stepRows(context, "lora", lora),
  dora: (context) => stepRows(context, "dora", dora),
  bidora: (context) => stepRows(context, "bidora", bidora),
  float32: (context) => stepRows(context, "float32", float32),
  real: (context) =>
    REAL_SETS.map((set) => ({ name: `real data, ${set.folder}`, run: () => realTraining(context, set) })),
  predict: () => [{ name: "predict", run: realPrediction }],
  start: () => [{ name: "start", run: firstStep }],
  language: (context) => modelRows(context, "language", language),
  generate: (context) => modelRows(context, "generate", generate),
  "packed-products": (context) =>
    productShapesOf(context).map((shape) => ({
      name: `packed products, ${shapeName(shape)}`,
      run: () => packedProducts(context, shape),
    })),
  "packed-steps": (context) =>
    packedStepsOf(context).map((step) => ({
      name: `packed steps, ${stepName(step)}`,
      run: () => packedStep(context, step),
    })),
  "packed-generation": (context) =>
    packedModelsOf(context).map((model) => ({
      name: `packed generation, ${model.name}`,
      run: () => packedGeneration(context, model),
    })),
  preference: (context) => modelRows(context, "preference", preference),
  embeddings: () => [{ name: "embeddings", run: learnAndEmbed }],
  distributed: () => [{ name: "distributed", run: distributed }],
  overhead: (context) => stepRows(context, "overhead", overhead).slice(0, 1),
  libtorch: (context) => (context.libtorch === undefined ? [] : onLibtorch(context)),
};

/** Names for several of them. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  packed: ["packed-products", "packed-steps", "packed-generation"],
  // what docs/performance.md opens with
  figures: ["lora", "bidora", "generate", "embeddings"],
};
