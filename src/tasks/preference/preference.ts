// Shapes: B rows, W numbers of a row.
import { numbersOf, UsageError } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import type { Batch, ExampleOutputs } from "../batch.js";
import { where } from "../data/index.js";
import { loadPreferences, type PreferenceExample } from "../data/preferenceExamples.js";
import type { Task, TaskSource } from "../task.js";
import { completionRows, moved } from "./completions.js";
import { type EncodedAnswers, encodeAnswers, isTooLong, textParts } from "./encode.js";
import {
  type LossSettings,
  lossSettings,
  PREFERENCE_LOSSES,
  type PreferenceLoss,
  type PreferenceLossName,
  type PreferenceSettings,
} from "./losses.js";
import { measuresLoss, preferenceMetric, type ScoredAnswers, stepMetrics } from "./metrics.js";
import { likelihoodTokens, logProbabilities, lossSum, startOf } from "./scores.js";

type PreferenceTask = Task<PreferenceExample, EncodedAnswers, ScoredAnswers>;

/** The task of learning from preferences with a loss. */
export function preferenceTask(given: PreferenceSettings = {}): PreferenceTask {
  const { loss: name = "sigmoid" } = given;
  const loss: PreferenceLoss = PREFERENCE_LOSSES[name];
  const settings = lossSettings(given);
  const { hasReference, takesCompletions, likelihood } = loss;
  const includesPrompt = likelihood?.includesPrompt ?? false;
  const sumOf = (outputs: torch.Tensor, batch: Pick<Batch<EncodedAnswers>, "examples" | "sums">) =>
    lossSum(outputs, batch, loss, settings);
  return {
    rows: '`{"prompt", "chosen", "rejected"}`, or with `--loss kto` `{"prompt", "completion", "label"}`',
    head: { className: "ForCausalLM" },
    peftTaskType: "CAUSAL_LM",
    outputs: [],
    maxLength: 1024,
    lossSettings: { loss: name, ...Object.fromEntries(loss.uses.map((key) => [key, settings[key]])) },
    comparesWithStart: hasReference,
    trainsWithoutDropout: true,
    configured,
    read: loadPreferences,
    reference: () => undefined,
    async encode(examples, tokenizer, options) {
      checkPairs(examples, name);
      const rows = await encodeAnswers(examples, tokenizer, options);
      return takesCompletions ? completionRows(rows) : rows;
    },
    isLeftOut: isTooLong,
    textParts: (example) => textParts(example, includesPrompt),
    ...(takesCompletions && { arranged: moved }),
    weight: (example) => (isTooLong(example) ? 0 : 1),
    forward(model, { examples }, context) {
      const answers = takesCompletions && !context.inference ? 1 : 2;
      return logProbabilities(model, examples, context, { answers, prompt: includesPrompt });
    },
    ...(measuresLoss(loss, settings) && { stepSums: stepSums(loss) }),
    loss: sumOf,
    groupLosses: (outputs, { examples, sums }, groups) =>
      groups.map((group) => {
        const index = torch.tensor(group, [group.length], "int64", outputs.device);
        const members = group.map((i) => examples[i]!);
        return sumOf(torch.indexSelect(outputs, 0, index), { examples: members, sums });
      }),
    predict: ([outputs], [example]) => ({
      example: example!,
      outputs: numbersOf((outputs as ExampleOutputs).vector()),
    }),
    stepMetrics: (rows, sums) => stepMetrics(rows, sums, loss, settings),
    written: (prediction) => written(prediction, loss, settings),
    scorer: () => ({
      main: hasReference && !takesCompletions ? "rewards_accuracy" : "loss",
      metric: preferenceMetric(loss, settings),
    }),
  };
}

/** The task of learning from preferences as `--loss sigmoid`, with direct preference optimization. */
export const preference: PreferenceTask = preferenceTask();

/**
 * The sums over a step that each of its losses depends on: with a likelihood its numbers of rows and of tokens; for KTO the sum of the moved
 * completions' log-ratios, and their number.
 */
const stepSums =
  ({ likelihood, takesCompletions }: PreferenceLoss): NonNullable<PreferenceTask["stepSums"]> =>
  (model, { examples }) => {
    const vector = (a: number, b: number) => torch.tensor([a, b], [2], "float64");
    if (!takesCompletions)
      return vector(
        examples.length,
        examples.reduce((sum, row) => sum + likelihoodTokens(row, likelihood?.includesPrompt ?? false), 0),
      );
    const outputs = logProbabilities(model, examples, { masks: undefined }, { answers: 2, prompt: false });
    const movedOnes = torch.select(outputs, 1, 1).toArray();
    return vector(
      examples.reduce((sum, row, i) => sum + movedOnes[i]! - startOf(row)[1]!, 0),
      examples.length,
    );
  };

/** A row of `predict`: log-probabilities of both answers, the reference's, and β times how much more the first has gained. */
function written({ example, outputs }: ScoredAnswers, { hasReference }: PreferenceLoss, { beta }: LossSettings) {
  const names = example.answers.length === 1 || example.origin ? (["completion"] as const) : NAMES;
  const isCut = isTooLong(example);
  const { isGood } = example.target ?? {};
  const label = isGood === undefined ? {} : { label: isGood };
  const logps = names.map((name, i) => [name, isCut ? null : outputs[i]!] as const);
  if (!hasReference) return { ...Object.fromEntries(logps), ...label };
  const start = isCut ? [] : startOf(example);
  const references = names.map((name, i) => [`reference_${name}`, start[i] ?? null] as const);
  const gains = names.map((_, i) => beta * (outputs[i]! - (start[i] ?? Number.NaN)));
  const margin = isCut ? null : names.length === 1 ? gains[0]! : gains[0]! - gains[1]!;
  return {
    ...Object.fromEntries([...logps, ...references]),
    [names.length === 1 ? "reward" : "margin"]: margin,
    ...label,
  };
}

const NAMES = ["chosen", "rejected"] as const;

/** The task with the settings of a run. @throws UsageError for settings that do not fit the rows */
function configured({ settings, examples = [], upper = [], evaluated = [] }: TaskSource): PreferenceTask {
  const given = settings as PreferenceSettings & { readonly stepSize?: number };
  const { loss: name = "sigmoid" } = given;
  const loss: PreferenceLoss = PREFERENCE_LOSSES[name];
  checkPairs([...examples, ...upper, ...evaluated] as readonly PreferenceExample[], name);
  if (loss.takesCompletions && given.stepSize === 1)
    throw new UsageError(
      "--loss kto compares the completions of a step, and --batch-size 1 leaves one: use 2 or more.",
    );
  return preferenceTask(given);
}

/** @throws UsageError naming a labeled example of one answer, which a loss of pairs has nothing to compare with */
function checkPairs(examples: readonly PreferenceExample[], name: PreferenceLossName): void {
  const { takesCompletions }: PreferenceLoss = PREFERENCE_LOSSES[name];
  const single = examples.find(({ input, label }) => label !== undefined && input.answers.length === 1);
  if (takesCompletions || !single) return;
  throw new UsageError(
    `--loss ${name} takes pairs, but ${where(single.at)} has a single completion: give chosen and rejected, or --loss kto.`,
  );
}
