// The log-probabilities of answers, and the losses of rows from them. Shapes: B rows, K predicted tokens, W numbers of a row.
import { branchedInput, type TaskModel, type TokenSpan } from "../../models/index.js";
import { type ForwardContext, linearCrossEntropies } from "../../models/nn/index.js";
import * as torch from "../../torch/index.js";
import { type Batch, targetOf } from "../batch.js";
import type { EncodedAnswers } from "./encode.js";
import type { LossSettings, PreferenceLoss, Scores } from "./losses.js";

/** What is summed of a row: each answer, and the prompt if it counts in the loss. */
interface Wanted {
  readonly answers: number;
  readonly prompt: boolean;
}

/**
 * The sums of the log-probabilities of the tokens of each row's answers, then of its prompt, if wanted: [B, W]. A row without an answer that
 * fits has zeros.
 */
export function logProbabilities(
  model: TaskModel,
  rows: readonly EncodedAnswers[],
  context: ForwardContext,
  wanted: Wanted,
): torch.Tensor {
  const { device, backbone, outputLayer } = model;
  const counted = rows.filter(({ lengths }) => lengths.length > 0);
  if (counted.length === 0) return torch.zeros([rows.length, widthOf(wanted)], { device });
  const texts = counted.map((row) => ({ ...row, lengths: row.lengths.slice(0, wanted.answers) }));
  const input = branchedInput(texts, backbone, device);
  const spans = input.spans.flatMap(({ prefix, ends }) => [...ends, ...(wanted.prompt ? [prefix] : [])].map(predicted));
  const numbers = (of: readonly number[]) => torch.tensor(of, [of.length], "int64", device);
  const states = backbone.forward(input, context, numbers(spans.flatMap(({ from }) => from))); // K,H
  const losses = linearCrossEntropies(states, outputLayer, numbers(spans.flatMap(({ ids }) => ids)), context); // K
  return rowsOf(rows, sumsOf(losses, spans), wanted);
}

/** The tokens of a span that are predicted, and the flat indices of the tokens before them. */
function predicted({ ids, first, before }: TokenSpan) {
  const inside = ids.slice(1).map((_, i) => first + i);
  return before === undefined ? { ids: ids.slice(1), from: inside } : { ids, from: [before, ...inside] };
}

function sumsOf(losses: torch.Tensor, spans: readonly { readonly ids: readonly number[] }[]): torch.Tensor[] {
  let end = 0;
  return spans.map(({ ids: { length } }) => {
    end += length;
    return torch.neg(torch.sum(torch.narrow(losses, 0, end - length, length)));
  });
}

const widthOf = ({ answers, prompt }: Wanted): number => answers + Number(prompt);

/** [B, W], with zeros for answers that a row does not have. */
function rowsOf(rows: readonly EncodedAnswers[], sums: readonly torch.Tensor[], wanted: Wanted): torch.Tensor {
  const nothing = torch.zerosLike(sums[0]!);
  let next = 0;
  const all = rows.flatMap(({ lengths }) =>
    Array.from({ length: widthOf(wanted) }, (_, i) => {
      const has = i < wanted.answers ? i < lengths.length : lengths.length > 0;
      return has ? sums[next++]! : nothing;
    }),
  );
  return torch.reshape(torch.stack(all), [rows.length, widthOf(wanted)]);
}

/** The number of a row's tokens in the negative log-likelihood that a loss adds. */
export function likelihoodTokens({ prefix, lengths: [chosen = 0] }: EncodedAnswers, includesPrompt: boolean): number {
  return Math.max(includesPrompt ? prefix + chosen - 1 : prefix === 0 ? chosen - 1 : chosen, 0);
}

/** The outputs of rows, as a loss takes them. outputs: [B, W] */
export function scoresOf(
  outputs: torch.Tensor,
  examples: readonly EncodedAnswers[],
  { hasReference }: Pick<PreferenceLoss, "hasReference">,
  kl: number,
): Scores {
  const constant = (of: (example: EncodedAnswers, i: number) => number) =>
    torch.tensor(examples.map(of), [examples.length], outputs.dtype, outputs.device);
  const columns = outputs.shape[1]!;
  const answer = (i: number) => {
    const own = torch.select(outputs, 1, Math.min(i, columns - 1));
    return hasReference
      ? torch.sub(
          own,
          constant((example) => startOf(example)[i] ?? 0),
        )
      : own;
  };
  return {
    chosen: answer(0),
    rejected: answer(1),
    chosenTokens: constant(({ lengths }) => Math.max(1, lengths[0] ?? 1)),
    rejectedTokens: constant(({ lengths }) => Math.max(1, lengths[1] ?? 1)),
    isGood: constant((example) => Number(targetOf(example).isGood ?? true)),
    kl,
  };
}

/** @throws TypeError for an example without the reference's numbers */
export function startOf({ startOutputs: start }: EncodedAnswers): readonly number[] {
  if (start) return start;
  throw new TypeError("The row has no outputs of the reference: a run computes them before its first step.");
}

/** The estimate of the distance from the reference, from the sum of the moved completions' log-ratios and their number. */
export const klOf = ([sum, count]: readonly [number, number]): number => Math.max(0, sum / count);

/**
 * The sum of the losses of a batch's rows. outputs: [B, W]
 * @throws TypeError for a batch without the sums of its step, for a loss that depends on them
 */
export function lossSum(
  outputs: torch.Tensor,
  { examples, sums }: Pick<Batch<EncodedAnswers>, "examples" | "sums">,
  loss: PreferenceLoss,
  settings: LossSettings,
): torch.Tensor {
  const ofStep = (): readonly [number, number] => {
    if (sums) return [sums[0]!, sums[1]!];
    throw new TypeError("The batch has no sums of its step, which the loss depends on.");
  };
  const kl = loss.takesCompletions ? klOf(ofStep()) : 0;
  const ofRows = torch.sum(loss.of(scoresOf(outputs, examples, loss, kl), settings));
  const weight = loss.likelihood?.weight(settings) ?? 0;
  if (!loss.likelihood || weight === 0) return ofRows;
  const [rows, tokens] = ofStep();
  const { includesPrompt } = loss.likelihood;
  const chosen = torch.select(outputs, 1, 0);
  const whole = includesPrompt ? torch.add(chosen, torch.select(outputs, 1, 2)) : chosen;
  // The mean over all tokens of the step, in a sum that is divided by its number of rows.
  return torch.add(ofRows, torch.mulScalar(torch.sum(whole), (-weight * rows) / tokens));
}
