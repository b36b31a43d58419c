// Shapes: P pairs of all examples of a batch.
import * as z from "zod";
import { UsageError } from "../../base/index.js";
import { type CrossEncoderFormat, PLAIN_RERANKER, readCrossEncoderFormat, scoreOf } from "../../formats/index.js";
import { modelInput } from "../../models/index.js";
import type { ExampleOutputs } from "../batch.js";
import { where } from "../data/index.js";
import { loadRerankingExamples, type RerankingExample } from "../data/rerankingExamples.js";
import type { ContrastiveTask, Task, TaskSource } from "../task.js";
import { encodedTexts, SEQUENCE_HEAD } from "../texts.js";
import { type EncodedRerankingExample, encodeRerankingExamples } from "./encode.js";
import { RERANKING_LOSSES, type RerankingLossName } from "./losses.js";
import { RankedExamples, RELEVANT, type RerankingReference, rerankingScorer, type ScorePrediction } from "./scored.js";

/** The task of scoring documents for queries. */
export interface RerankingTask
  extends Task<RerankingExample, EncodedRerankingExample, ScorePrediction, RerankingReference> {
  readonly contrastive: ContrastiveTask;
}

/**
 * A score for a query with a document, as sentence-transformers' `CrossEncoder` gives it.
 * @param format what makes a score of the model's output
 * @param asked the loss; by default that of the examples
 */
export function rerankingTask(
  format: CrossEncoderFormat = PLAIN_RERANKER,
  asked?: RerankingLossName | undefined,
): RerankingTask {
  const lossOf = ([example]: readonly EncodedRerankingExample[]) =>
    RERANKING_LOSSES[lossFor(example?.target?.isList ?? false, asked)];
  return {
    rows: '`{"query", "document", "score"}` (from 0 to 1, or `"label"` true or false), or `{"query", "positive", "negatives": [...]}`',
    head: SEQUENCE_HEAD,
    peftTaskType: "SEQ_CLS",
    problem: { type: "regression", outputs: [1, 1], isAssumed: false },
    outputs: ["score"],
    reranking: format,
    ...(asked && { lossSettings: { loss: asked } }),
    maxLength: format.maxLength,
    configured,
    contrastive: {
      isScored: undefined,
      checkEvaluated() {},
      checkLevel() {},
      miniBatches: (batch) => [batch],
      comparesExamples: () => false,
      together: () => new RankedExamples(),
    },
    read: loadRerankingExamples,
    reference: ({ label }) => label?.scores.map((score) => score >= RELEVANT) ?? [],
    encode: encodeRerankingExamples,
    weight: (example) => lossOf([example]).weight(example),
    outputVectors: ({ lengths }) => lengths.length,
    forward: (model, { examples, inputIds }, context) =>
      model.forward(modelInput(examples.flatMap(encodedTexts), undefined, inputIds.device), context),
    loss: (outputs, { examples }) => lossOf(examples).sum(outputs, examples),
    predict: ([outputs], [example]) => {
      const scoreAt = (_: unknown, i: number) =>
        scoreOf(format.activation, (outputs as ExampleOutputs).vector(i)[0] as number);
      const [score, ...others] = example!.lengths.map(scoreAt);
      return { score: score as number, ...(others.length > 0 && { others }) };
    },
    prediction: z.object({ score: z.number(), others: z.array(z.number()).optional() }),
    scorer: () => rerankingScorer,
  };
}

/** The task of a classifier that says nothing of its scores. */
export const reranking: RerankingTask = rerankingTask();

/** The loss that is asked for, if examples fit it, otherwise their usual one. */
function lossFor(areLists: boolean, asked: RerankingLossName | undefined): RerankingLossName {
  if (asked !== undefined && (areLists || !RERANKING_LOSSES[asked].takesLists)) return asked;
  return areLists ? "listwise" : "binary-cross-entropy";
}

/** The task for a model's folder and the settings of a run. @throws UsageError for a loss that the examples don't fit */
function configured({ folder, settings, examples, upper }: TaskSource): RerankingTask {
  const loss = settings.loss as RerankingLossName | undefined;
  if (examples) checkLoss(examples as readonly RerankingExample[], loss);
  if (upper) checkLoss(upper as readonly RerankingExample[], loss, " of the upper level");
  if (examples && upper)
    checkOneLoss(examples as readonly RerankingExample[], upper as readonly RerankingExample[], loss);
  const used = examples ? lossFor(areListed(examples as readonly RerankingExample[]), loss) : loss;
  return rerankingTask(readCrossEncoderFormat(folder), used);
}

/** Whether examples are positives with negatives. The rows of a file are of one kind. */
const areListed = ([first]: readonly RerankingExample[]): boolean => first?.label?.isList ?? false;

/** @throws UsageError for levels with different losses, between which a batch of both could not choose */
function checkOneLoss(
  lower: readonly RerankingExample[],
  upper: readonly RerankingExample[],
  asked: RerankingLossName | undefined,
): void {
  const [ofLower, ofUpper] = [lower, upper].map((examples) => lossFor(areListed(examples), asked));
  if (ofLower === ofUpper) return;
  throw new UsageError(
    `The rows of --train have the loss ${ofLower} and those of --upper-train ${ofUpper}, but both levels need one: use rows of one kind, or --loss binary-cross-entropy, which takes both.`,
  );
}

/**
 * @param of whose the examples are, if not the whole run's
 * @throws UsageError naming an example that has nothing to compare, or that all documents are alike
 */
function checkLoss(examples: readonly RerankingExample[], asked: RerankingLossName | undefined, of = ""): void {
  const areLists = areListed(examples);
  const name = asked ?? lossFor(areLists, asked);
  if (RERANKING_LOSSES[name].takesLists && !areLists)
    throw new UsageError(
      `--loss ${name} takes rows with query, positive and negatives, and the training rows${of} have scores: leave --loss out, or give such rows.`,
    );
  const alone = RERANKING_LOSSES[name].takesLists && examples.find(({ input }) => input.length < 3);
  if (alone)
    throw new UsageError(
      `--loss ${name} compares a positive with its negatives, and ${where(alone.at)} has none: remove the row, or add negatives, such as those that \`bidora mine\` finds.`,
    );
  const [first, ...others] = new Set(examples.flatMap(({ label }) => label?.scores ?? []));
  if (others.length === 0)
    throw new UsageError(
      `All documents of the training rows${of} have the relevance ${first}: add others, which the model learns to tell from them.`,
    );
}
