// Reward models: a number for an answer, higher for better ones. Shapes: B rows, A answers of all rows.
import { branchedInput, modelInput, type TaskModel } from "../../models/index.js";
import type { ForwardContext } from "../../models/nn/index.js";
import type { Tokenizer } from "../../text/index.js";
import * as torch from "../../torch/index.js";
import { type EncodeOptions, type ExampleOutputs, targetOf } from "../batch.js";
import { loadPreferences, type PreferenceExample } from "../data/preferenceExamples.js";
import { combineMetrics, type Metric } from "../metrics/index.js";
import { meanOverRows } from "../metrics/parts/sums.js";
import type { Task } from "../task.js";
import { SEQUENCE_HEAD } from "../texts.js";
import { type EncodedAnswers, encodeAnswers, isTooLong, textParts } from "./encode.js";
import type { RewardSettings } from "./losses.js";

/** The rewards of a row's answers: one, or those of the chosen and the rejected one; null for a row that is too long. */
export type RewardPrediction =
  | { readonly reward: number | null }
  | { readonly chosen: number | null; readonly rejected: number | null };

type RewardTask = Task<PreferenceExample, EncodedAnswers, RewardPrediction>;

/** The task of learning rewards from pairs: −ls(s_c − s_r − margin) + c·(s_c + s_r)² for the rewards s of both answers. */
export function rewardTask({ centerRewards = 0 }: RewardSettings = {}): RewardTask {
  return {
    rows: '`{"prompt", "chosen", "rejected"}`, perhaps with `"margin"`',
    head: SEQUENCE_HEAD,
    peftTaskType: "SEQ_CLS",
    problem: { type: "regression", outputs: [1, 1], isAssumed: false },
    outputs: ["reward"],
    maxLength: 1024,
    trainsWithoutDropout: true,
    ...(centerRewards !== 0 && { lossSettings: { centerRewards } }),
    configured: ({ settings }) => rewardTask(settings),
    read: (source, options) => loadPreferences(source, options, { isOfRewards: true }),
    reference: () => undefined,
    encode: encodeWhole,
    isLeftOut: isTooLong,
    textParts: (example) => textParts(example),
    weight: (example) => (isTooLong(example) ? 0 : 1),
    outputVectors: ({ lengths }) => lengths.length,
    forward: (model, { examples }, context) => rewards(model, examples, context),
    loss: (outputs, { examples }) => lossOf(outputs, examples, centerRewards),
    predict: ([outputs], [example]) => predictionOf(outputs!, example!),
    scorer: () => ({ main: "accuracy", metric: METRIC }),
  };
}

/** Rows with an answer that does not fit are too long: the end of an answer decides its reward. */
async function encodeWhole(
  examples: readonly PreferenceExample[],
  tokenizer: Tokenizer,
  options: EncodeOptions,
): Promise<EncodedAnswers[]> {
  const { maxLength = Number.POSITIVE_INFINITY } = options;
  const rows = await encodeAnswers(examples, tokenizer, { ...options, maxLength: undefined });
  return rows.map((row) => {
    if (row.prefix + Math.max(...row.lengths) <= maxLength) return row;
    const inputIds = row.inputIds.slice(0, maxLength);
    return { ...row, inputIds, tokenTypeIds: inputIds.map(() => 0), lengths: [] };
  });
}

/** The rewards of all answers, [A, 1]: read at the last token, or where the model's head reads. */
function rewards(model: TaskModel, rows: readonly EncodedAnswers[], context: ForwardContext): torch.Tensor {
  const counted = rows.filter((row) => !isTooLong(row));
  if (counted.length === 0) return torch.zeros([0, 1], { device: model.device });
  if (model.reads !== "last")
    return model.forward(modelInput(counted.flatMap(sequences), undefined, model.device), context);
  const input = branchedInput(counted, model.backbone, model.device);
  const last = input.spans.flatMap(({ ends }) => ends.map(({ first, ids }) => first + ids.length - 1));
  return model.forwardAt(input, context, torch.tensor(last, [last.length], "int64", model.device));
}

/** The prompt with each answer. */
function sequences({ prefix, lengths, inputIds }: EncodedAnswers) {
  let end = prefix;
  return lengths.map((length) => {
    end += length;
    const ids = [...inputIds.slice(0, prefix), ...inputIds.slice(end - length, end)];
    return { inputIds: ids, tokenTypeIds: ids.map(() => 0) };
  });
}

function lossOf(outputs: torch.Tensor, examples: readonly EncodedAnswers[], centerRewards: number): torch.Tensor {
  const pairs = torch.reshape(outputs, [-1, 2]);
  const [chosen, rejected] = [torch.select(pairs, 1, 0), torch.select(pairs, 1, 1)];
  const counted = examples.filter((row) => !isTooLong(row));
  const margins = counted.map((example) => targetOf(example).margin ?? 0);
  const lead = torch.sub(
    torch.sub(chosen, rejected),
    torch.tensor(margins, [margins.length], outputs.dtype, outputs.device),
  );
  const losses = torch.neg(torch.logSigmoid(lead));
  if (centerRewards === 0) return torch.sum(losses);
  return torch.sum(torch.add(losses, torch.mulScalar(torch.square(torch.add(chosen, rejected)), centerRewards)));
}

function predictionOf({ values }: ExampleOutputs, { answers }: EncodedAnswers): RewardPrediction {
  const [first = null, second = null] = values;
  return answers.length === 1 ? { reward: first } : { chosen: first, rejected: second };
}

/** How much higher the chosen answer's reward is. */
function leadOf(prediction: RewardPrediction): number {
  if ("reward" in prediction) throw new TypeError("A single answer has no margin.");
  return prediction.chosen! - prediction.rejected!;
}

const METRIC: Metric<unknown, RewardPrediction> = combineMetrics(
  meanOverRows("accuracy", { goal: "maximize", isShareOfRows: true }, (_: unknown, found: RewardPrediction) =>
    Number(leadOf(found) > 0),
  ),
  meanOverRows("margin", { goal: "maximize" }, (_: unknown, found: RewardPrediction) => leadOf(found)),
);

/** The task of learning rewards. */
export const reward: RewardTask = rewardTask();
