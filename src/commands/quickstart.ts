import type { CompareSettings, quickstartOptions, RunSettings, Settings } from "../config/index.js";
import { METHODS } from "../config/index.js";
import type { ComparedRun } from "../files/comparison.js";
import { clearComparison } from "../files/comparisonFolder.js";
import { holdOutput, refuseOccupied } from "../files/outputFolder.js";
import { TOPICS, type TopicName } from "../quickstart/topics.js";
import { type Variant, variantsOf } from "../run/comparison/variants.js";
import { type CompareHooks, compare } from "./compare.js";

export { TOPICS, type TopicName } from "../quickstart/topics.js";

/** What a quickstart came to: a finished comparison. */
export interface QuickstartResult {
  /** In the order of the methods. */
  readonly runs: readonly ComparedRun[];
  readonly output: string;
  /** The model that was trained: a name on the Hub, or a path. */
  readonly model: string;
}

/**
 * Fine-tunes a small model on the topic's bundled rows with each method, and compares them: a preset of `compare`.
 * @returns undefined where the signal stopped it
 * @throws UsageError for a method that is unknown or named twice, BidoraError `OUTPUT_IN_USE` for a folder with something in it,
 *   unless `overwrite` allows to replace the runs there
 */
export async function quickstart(
  name: TopicName,
  settings: Settings<typeof quickstartOptions>,
  hooks: CompareHooks = {},
): Promise<QuickstartResult | undefined> {
  const variants = variantsOf(settings.methods);
  const topic = TOPICS[name];
  const { output = topic.output, overwrite } = settings;
  const model = await holdOutput(output, async (folder) => {
    refuseOccupied(output, overwrite, []);
    if (overwrite) clearComparison(folder);
    return topic.model(hooks.hub);
  });
  const outcome = await compare({ ...presetOf(name, variants, settings), model, output }, undefined, {
    ...hooks,
    onEvent(event, run) {
      if (event.event === "start") hooks.note?.(`\n${run.method}: ${topic.about}`);
      hooks.onEvent?.(event, run);
    },
  });
  if (outcome.kind !== "compared") return undefined;
  const place = ({ method }: ComparedRun) => settings.methods.indexOf(method);
  return { runs: outcome.result.runs.toSorted((a, b) => place(a) - place(b)), output, model };
}

/** The settings of the comparison. Every method gets the same training steps; BiDoRA searches half as many before. */
function presetOf(
  name: TopicName,
  variants: readonly Variant[],
  { methods, seed, threads }: Settings<typeof quickstartOptions>,
): CompareSettings {
  const { steps, run } = TOPICS[name];
  const lengthOf = ({ method }: Variant): RunSettings =>
    METHODS[method].isBilevel ? { maxSteps: steps / 2, retrainSteps: steps } : { maxSteps: steps };
  return {
    ...run,
    methods,
    seeds: [seed],
    perMethod: Object.fromEntries(variants.map((variant) => [variant.name, lengthOf(variant)])),
    evalEvery: steps / 4,
    // The runs are short: none saves a checkpoint.
    saveEvery: 2 * steps,
    ...(threads !== undefined && { threads }),
  };
}
