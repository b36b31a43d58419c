// Metrics of preferences, with TRL's names. Shapes: B rows, W numbers of a row.
import { group, mean } from "d3-array";
import * as torch from "../../torch/index.js";
import { targetOf } from "../batch.js";
import type { Metric, MetricValue } from "../metrics/index.js";
import { atLeastOne } from "../metrics/parts/index.js";
import type { EncodedAnswers } from "./encode.js";
import { type LossSettings, logOddsRatio, type PreferenceLoss } from "./losses.js";
import { klOf, likelihoodTokens, lossSum, scoresOf, startOf } from "./scores.js";

/** A row with its outputs: the log-probabilities of its answers, then of its prompt if that counts. */
export interface ScoredAnswers {
  readonly example: EncodedAnswers;
  readonly outputs: readonly number[];
}

/** A row as `predict` writes it: log-probabilities of both answers or of a single one, and the reference's. */
export type WrittenAnswers = Readonly<Record<string, number | boolean | null>>;

const isScored = (row: ScoredAnswers | WrittenAnswers): row is ScoredAnswers => "outputs" in row;

/** A row that was read from a file. It lacks what losses need besides, so only what is a mean over rows can be computed of it. */
function scored(row: WrittenAnswers): ScoredAnswers {
  const names = "completion" in row ? ["completion"] : ["chosen", "rejected"];
  const numbers = (prefix: string) => names.map((name) => (row[prefix + name] ?? Number.NaN) as number);
  const target = "label" in row ? { isGood: row.label === true } : {};
  const nothing = { inputIds: [], tokenTypeIds: [], prefix: 0, lengths: [], answers: [], maxLength: 0 };
  const at = { file: "", line: 0 };
  return { example: { ...nothing, at, target, startOutputs: numbers("reference_") }, outputs: numbers("") };
}

type Rows = readonly ScoredAnswers[];

const [UP, DOWN]: readonly [MetricValue, MetricValue] = [{ goal: "maximize" }, { goal: "minimize" }];

/** Whether the metric has the loss, which is then no mean of the losses of rows alone. */
export const measuresLoss = ({ likelihood, takesCompletions }: PreferenceLoss, settings: LossSettings): boolean =>
  takesCompletions === true || (likelihood?.weight(settings) ?? 0) !== 0;

/** The metrics of a loss. */
export function preferenceMetric(
  loss: PreferenceLoss,
  settings: LossSettings,
): Metric<unknown, ScoredAnswers | WrittenAnswers, ScoredAnswers> {
  return {
    values: valuesOf(loss, settings),
    measure: (_reference, prediction) => (isScored(prediction) ? prediction : scored(prediction)),
    result(rows) {
      atLeastOne(rows.length);
      return { ...lossOf(rows, loss, settings), ...rewards(rows, loss, settings), ...logps(rows) };
    },
  };
}

function valuesOf(loss: PreferenceLoss, settings: LossSettings): Record<string, MetricValue> {
  const ofRewards = { rewards_chosen: UP, rewards_rejected: DOWN, rewards_margin: UP };
  return {
    ...(measuresLoss(loss, settings) && { loss: DOWN }),
    ...(loss.takesCompletions && { kl: DOWN }),
    ...(loss.likelihood?.includesPrompt && { nll: DOWN, log_odds: UP }),
    ...(loss.hasReference && ofRewards),
    ...(loss.hasReference && !loss.takesCompletions && { rewards_accuracy: { ...UP, isShareOfRows: true } }),
    logps_chosen: UP,
    logps_rejected: DOWN,
  };
}

/** What a training step reports besides its loss. @param sums of the step, as the losses got them */
export const stepMetrics = (
  rows: Rows,
  sums: readonly number[] | undefined,
  loss: PreferenceLoss,
  settings: LossSettings,
): Record<string, number> => ({
  ...(loss.takesCompletions && sums && { kl: klOf([sums[0]!, sums[1]!]) }),
  ...(loss.likelihood?.includesPrompt && {
    nll: nllOf(rows, likelihoodSums(rows, loss)),
    log_odds: meanLogOdds(rows, loss),
  }),
  ...rewards(rows, loss, settings),
  ...logps(rows),
});

/** The loss where it is no mean over rows, with its parts. */
function lossOf(rows: Rows, loss: PreferenceLoss, settings: LossSettings): Record<string, number> {
  if (loss.takesCompletions) {
    const batches = [...group(rows, ({ example }) => example.group).values()];
    return {
      loss: mean(batches, (batch) => meanLoss(batch, klSums(batch), loss, settings))!,
      kl: mean(batches, (batch) => klOf(klSums(batch)))!,
    };
  }
  if (!measuresLoss(loss, settings)) return {};
  const sums = likelihoodSums(rows, loss);
  return {
    loss: meanLoss(rows, sums, loss, settings),
    ...(loss.likelihood?.includesPrompt && { nll: nllOf(rows, sums), log_odds: meanLogOdds(rows, loss) }),
  };
}

const klSums = (rows: Rows): readonly [number, number] => [
  rows.reduce((sum, { outputs, example }) => sum + outputs[1]! - startOf(example)[1]!, 0),
  rows.length,
];

const likelihoodSums = (rows: Rows, { likelihood }: PreferenceLoss): readonly [number, number] => [
  rows.length,
  rows.reduce((sum, { example }) => sum + likelihoodTokens(example, likelihood?.includesPrompt ?? false), 0),
];

const nllOf = (rows: Rows, [, tokens]: readonly [number, number]): number =>
  -rows.reduce((sum, { outputs }) => sum + outputs[0]! + outputs[2]!, 0) / tokens;

const meanLoss = (rows: Rows, sums: readonly number[], loss: PreferenceLoss, settings: LossSettings): number =>
  computed(rows, (outputs, examples) => lossSum(outputs, { examples, sums }, loss, settings)) / rows.length;

const meanLogOdds = (rows: Rows, loss: PreferenceLoss): number =>
  computed(rows, (outputs, examples) => torch.mean(logOddsRatio(scoresOf(outputs, examples, loss, 0))));

/** A number from the outputs of rows, [B, W]. */
function computed(
  rows: Rows,
  compute: (outputs: torch.Tensor, examples: readonly EncodedAnswers[]) => torch.Tensor,
): number {
  const width = rows[0]!.outputs.length;
  const values = rows.flatMap(({ outputs }) => outputs);
  return torch.noGrad(() =>
    torch.scope(() =>
      compute(
        torch.tensor(values, [rows.length, width], "float64"),
        rows.map(({ example }) => example),
      ).item(),
    ),
  );
}

/** β times the log-ratios to the reference. */
function rewards(rows: Rows, { hasReference, takesCompletions }: PreferenceLoss, { beta }: LossSettings) {
  if (!hasReference) return {};
  const of = ({ outputs, example }: ScoredAnswers, i: number) => beta * (outputs[i]! - startOf(example)[i]!);
  const [chosen, rejected] = sidesOf(rows, of);
  const means = [mean(chosen) ?? Number.NaN, mean(rejected) ?? Number.NaN] as const;
  const found = known({ rewards_chosen: means[0], rewards_rejected: means[1], rewards_margin: means[0] - means[1] });
  if (takesCompletions) return found;
  return { ...found, rewards_accuracy: mean(chosen, (reward, i) => Number(reward > rejected[i]!))! };
}

function logps(rows: Rows): Record<string, number> {
  const [chosen, rejected] = sidesOf(rows, ({ outputs }, i) => outputs[i]!);
  return known({ logps_chosen: mean(chosen) ?? Number.NaN, logps_rejected: mean(rejected) ?? Number.NaN });
}

/** The numbers of the chosen answers and of the rejected ones, or of good and of bad completions. */
function sidesOf(rows: Rows, of: (row: ScoredAnswers, answer: number) => number): readonly [number[], number[]] {
  const isSingle = ({ example }: ScoredAnswers) => targetOf(example).isGood !== undefined;
  const isOn = (row: ScoredAnswers, side: number) => !isSingle(row) || targetOf(row.example).isGood === (side === 0);
  const on = (side: number) => rows.filter((row) => isOn(row, side)).map((row) => of(row, isSingle(row) ? 0 : side));
  return [on(0), on(1)];
}

/** Without values of which there are no rows. */
const known = (values: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => !Number.isNaN(value)));
