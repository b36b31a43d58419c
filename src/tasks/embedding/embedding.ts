// Shapes: T texts of all examples of a batch, H width.
import { numbersOf, UsageError } from "../../base/index.js";
import { type EmbeddingFormat, PLAIN_FORMAT, readEmbeddingFormat } from "../../formats/index.js";
import { modelInput, NO_HEAD, pooled } from "../../models/index.js";
import { normalize } from "../../models/nn/index.js";
import * as torch from "../../torch/index.js";
import { type Batch, batchOf, type ExampleOutputs, type Group } from "../batch.js";
import { loadEmbeddingExamples } from "../data/embeddingExamples.js";
import { type EmbeddingExample, where } from "../data/index.js";
import type { ContrastiveTask, EvaluatedSplits, Task, TaskSource } from "../task.js";
import { encodedTexts } from "../texts.js";
import { type EncodedEmbeddingExample, encodeEmbeddingExamples } from "./encode.js";
import { type Columns, EMBEDDING_LOSSES, type EmbeddingLossName, type EmbeddingSettings } from "./losses.js";
import { EmbeddedExamples, type EmbeddingPrediction, type EmbeddingReference, embeddingScorer } from "./scored.js";

/** The task of embedding texts. */
export interface EmbeddingTask
  extends Task<EmbeddingExample, EncodedEmbeddingExample, EmbeddingPrediction, EmbeddingReference> {
  readonly contrastive: ContrastiveTask;
}

/** The temperature of losses of cosines: sentence-transformers' scale of 20. */
const TEMPERATURE = 0.05;

/**
 * Embeddings of texts, learned from pairs. The examples of one batch are each other's negatives, so the mean loss of a step is the mean
 * over its examples, each among those of its own batch: with gradient accumulation, batches don't share negatives.
 * @param format how the model makes an embedding of a text's tokens
 * @param settings of the loss
 * @param isScored whether the examples to evaluate on have scores, as far as known
 */
export function embeddingTask(
  format: EmbeddingFormat = PLAIN_FORMAT,
  settings: EmbeddingSettings = {},
  isScored?: boolean,
): EmbeddingTask {
  const lossOf = (examples: readonly EncodedEmbeddingExample[]) =>
    EMBEDDING_LOSSES[lossNameFor(examples, settings.loss)];
  const lossAmong = (outputs: torch.Tensor, examples: readonly EncodedEmbeddingExample[], group?: Group) => {
    const { temperature = TEMPERATURE, matryoshka } = settings;
    const widths = matryoshka?.map((width) => normalize(torch.narrow(outputs, 1, 0, width))) ?? [outputs];
    const options = { temperature, group };
    const losses = widths.map((part) => lossOf(examples).sum(columnsOf(part, examples), examples, options));
    return losses.reduce((sum, loss) => torch.add(sum, loss));
  };
  return {
    rows: '`{"anchor", "positive"}`, with `"negative"` or `"negatives": [...]`; or `{"sentence1", "sentence2", "score"}`',
    head: NO_HEAD,
    peftTaskType: "FEATURE_EXTRACTION",
    outputs: [],
    embedding: format,
    lossSettings: lossSettingsOf(settings),
    configured,
    maxLength: format.maxLength,
    contrastive: {
      isScored,
      checkEvaluated,
      checkLevel: (examples: readonly EncodedEmbeddingExample[], level) => checkLevel(examples, settings, level),
      miniBatches: (batch: Batch<EncodedEmbeddingExample>) => miniBatchesOf(batch, settings.miniBatchSize),
      comparesExamples: (examples: readonly EncodedEmbeddingExample[]) => lossOf(examples).isInBatch ?? false,
      together: (corpus) => new EmbeddedExamples(corpus),
    },
    read: loadEmbeddingExamples,
    reference: ({ label, input: [anchor, positive] }) => label?.score ?? [anchor!, positive!],
    encode: (examples, tokenizer, options) => encodeEmbeddingExamples(examples, tokenizer, options, format),
    weight: (example) => lossOf([example]).weight(example),
    whyWithoutLoss: "they have no negatives, which --loss triplet compares with their positives",
    outputVectors: ({ lengths }) => lengths.length,
    forward(model, { examples, inputIds }, context) {
      const input = modelInput(examples.flatMap(encodedTexts), undefined, inputIds.device);
      const { pooling, normalizes } = format;
      const states = pooled(model, input, context, { pooling, skipped: examples.flatMap(({ skipped }) => skipped) });
      return normalizes ? normalize(states) : states;
    },
    loss: (outputs, { examples }) => lossAmong(outputs, examples),
    groupLosses(outputs, { examples }, groups) {
      const { isInBatch, isWhole } = lossOf(examples);
      if (isWhole)
        throw new UsageError(
          `--loss ${lossNameFor(examples, settings.loss)} is no mean over rows, so rows can't be weighted by their sources: take another --loss, or another --upper.`,
        );
      return isInBatch ? groups.map((group) => lossAmong(outputs, examples, group)) : undefined;
    },
    predict: ([outputs], [example]) => {
      const [embedding, ...others] = example!.lengths.map((_, i) => numbersOf((outputs as ExampleOutputs).vector(i)));
      return { embedding: embedding as number[], ...(others.length > 0 && { others }) };
    },
    scorer: (options) => embeddingScorer(options.isScored ?? isScored ?? false),
  };
}

/** A batch's examples are sorted by length, so each mini-batch takes some from the whole batch: then none has much more tokens than others. */
function miniBatchesOf(
  batch: Batch<EncodedEmbeddingExample>,
  size = batch.examples.length,
): readonly Batch<EncodedEmbeddingExample>[] {
  const { examples, inputIds } = batch;
  if (size >= examples.length) return [batch];
  const count = Math.ceil(examples.length / size);
  return Array.from({ length: count }, (_, part) =>
    batchOf(
      examples.filter((_, i) => i % count === part),
      inputIds.device,
    ),
  );
}

/** The task of embedding texts with a model of transformers that says nothing else. */
export const embedding: EmbeddingTask = embeddingTask();

/** outputs: [T, H] */
function columnsOf(outputs: torch.Tensor, examples: Batch<EncodedEmbeddingExample>["examples"]): Columns {
  const starts: number[] = [];
  let next = 0;
  for (const { lengths } of examples) {
    starts.push(next);
    next += lengths.length;
  }
  // libtorch has no gradient for an empty selection on every device.
  const pick = (indices: readonly number[]) =>
    indices.length === 0
      ? torch.narrow(outputs, 0, 0, 0)
      : torch.indexSelect(outputs, 0, torch.tensor(indices, [indices.length], "int64", outputs.device));
  return {
    anchors: pick(starts),
    positives: pick(starts.map((start) => start + 1)),
    negatives: pick(
      starts.flatMap((start, row) => examples[row]!.lengths.slice(2).map((_, negative) => start + 2 + negative)),
    ),
  };
}

/** The loss of the settings if it takes such examples, otherwise their usual one. */
function lossNameFor(
  examples: readonly EncodedEmbeddingExample[],
  asked: EmbeddingLossName | undefined,
): EmbeddingLossName {
  const isScored = examples.some(({ target }) => target?.score !== undefined);
  const fits = asked !== undefined && (EMBEDDING_LOSSES[asked].takes === "scored pairs") === isScored;
  return fits ? asked : usualLoss(isScored);
}

const usualLoss = (isScored: boolean): EmbeddingLossName => (isScored ? "cosent" : "multiple-negatives-ranking");

// Settings

/** The task for a model's folder and the settings of a run. @throws UsageError for settings that fit neither model nor examples */
function configured({ folder, settings: given, width, examples, upper, evaluated }: TaskSource): EmbeddingTask {
  const settings = given as EmbeddingSettings;
  const own = readEmbeddingFormat(folder);
  const { pooling = own.pooling, matryoshka = [] } = settings;
  const wide = matryoshka.find((each) => each > width);
  if (wide !== undefined)
    throw new UsageError(
      `--matryoshka ${matryoshka}: the model's embeddings have ${width} values, fewer than ${wide}.`,
    );
  if (examples) checkLoss(examples as readonly EmbeddingExample[], settings);
  if (upper) checkLoss(upper as readonly EmbeddingExample[], settings, OF_LEVEL.upper);
  if (examples && upper) checkOneKind(examples as readonly EmbeddingExample[], upper as readonly EmbeddingExample[]);
  const judged = (evaluated ?? examples) as readonly EmbeddingExample[] | undefined;
  const loss = settings.loss ?? (examples && usualLoss((examples as readonly EmbeddingExample[]).some(isScored)));
  return embeddingTask({ ...own, pooling }, { ...settings, loss }, judged?.some(isScored));
}

/** What evaluation needs for the same loss; undefined if no loss is chosen yet. */
function lossSettingsOf({ loss, temperature = TEMPERATURE, matryoshka }: EmbeddingSettings): Task["lossSettings"] {
  if (loss === undefined) return undefined;
  return { loss, ...(EMBEDDING_LOSSES[loss].usesTemperature && { temperature }), ...(matryoshka && { matryoshka }) };
}

/** @throws UsageError for splits of which some are pairs with scores and others are not: a run goes by one main metric */
function checkEvaluated({ validation, test, holdout }: EvaluatedSplits): void {
  const splits = Object.entries({ validation, test, "held-out training": holdout });
  const found = splits.flatMap(([what, examples]) =>
    examples?.length ? [{ what, scored: (examples as readonly EmbeddingExample[]).some(isScored) }] : [],
  );
  const scored = found.find((split) => split.scored);
  const others = found.find((split) => !split.scored);
  if (!scored || !others) return;
  throw new UsageError(
    `The ${scored.what} rows have scores and the ${others.what} rows have none, but a run goes by one metric: use rows of one kind, and evaluate the others by \`bidora evaluate\`.`,
  );
}

/** @throws UsageError for levels of which one learns from scores and the other does not */
function checkOneKind(lower: readonly EmbeddingExample[], upper: readonly EmbeddingExample[]): void {
  const [ofLower, ofUpper] = [lower.some(isScored), upper.some(isScored)];
  if (ofLower === ofUpper) return;
  const [scored, other] = ofLower ? ["--train", "--upper-train"] : ["--upper-train", "--train"];
  throw new UsageError(
    `The rows of ${scored} have scores and those of ${other} have none, but both levels learn by one loss: use rows of one kind.`,
  );
}

/** @throws UsageError for a level whose examples give it nothing to learn */
function checkLevel(
  examples: readonly EncodedEmbeddingExample[],
  settings: EmbeddingSettings,
  level: keyof typeof OF_LEVEL,
): void {
  const rows = examples.map(({ lengths, target }) => ({ texts: lengths.length, score: target?.score }));
  checkCompared(rows, lossNameFor(examples, settings.loss), settings, OF_LEVEL[level]);
}

/** Whose examples are at fault, for messages. */
const OF_LEVEL = { lower: " of the lower level", upper: " of the upper level" } as const;

/**
 * @param of whose the examples are, if not the whole run's
 * @throws UsageError for a loss that does not take the training examples, or that they give nothing to learn
 */
function checkLoss(examples: readonly EmbeddingExample[], settings: EmbeddingSettings, of = ""): void {
  const haveScores = examples.some(isScored);
  const name = settings.loss ?? usualLoss(haveScores);
  const { takes } = EMBEDDING_LOSSES[name];
  if ((takes === "scored pairs") !== haveScores)
    throw new UsageError(
      `--loss ${name} takes ${takes}, and the training rows${of} ${haveScores ? "have scores" : "have none: name their column with --label-column"}.`,
    );
  const without = examples.find(({ input }) => input.length < 3);
  if (takes === "triplets" && without)
    throw new UsageError(`--loss ${name} takes triplets, and ${where(without.at)} has no negative.`);
  const rows = examples.map(({ input, label }) => ({ texts: input.length, score: label?.score }));
  checkCompared(rows, name, settings, of);
  if (name === "cosine") checkScores(examples);
}

/** What decides whether examples can be compared with each other. */
interface Compared {
  /** The number of its texts. */
  readonly texts: number;
  readonly score: number | undefined;
}

/** @throws UsageError for a loss that compares examples, and has none to compare */
function checkCompared(rows: readonly Compared[], name: EmbeddingLossName, settings: EmbeddingSettings, of: string) {
  const { isInBatch } = EMBEDDING_LOSSES[name];
  if (isInBatch && rows.some(({ texts }) => texts < 3)) checkBatches(rows.length, name, settings, of);
  if (name === "cosent") checkOrder(rows, of);
}

/** @throws UsageError for batches of one example */
function checkBatches(
  rows: number,
  name: EmbeddingLossName,
  { batchSize = rows }: EmbeddingSettings,
  of: string,
): void {
  if (Math.min(batchSize, rows) > 1) return;
  const single = `a single training row${of}`;
  const [why, remedy] = rows === 1 ? [single, "more rows"] : ["--batch-size 1", "larger batches"];
  const isOrdered = EMBEDDING_LOSSES[name].takes === "scored pairs";
  throw new UsageError(
    isOrdered
      ? `--loss ${name} compares the rows of a batch, and ${why} leaves none to compare: use ${remedy}.`
      : `--loss ${name} takes the other rows of a batch as negatives, and ${why} leaves none: use ${remedy}, or rows with negatives.`,
  );
}

/** @throws UsageError for examples that all have one score */
function checkOrder(rows: readonly Compared[], of: string): void {
  const [first, ...others] = new Set(rows.map(({ score }) => score));
  if (others.length === 0)
    throw new UsageError(
      `--loss cosent learns from the order of the scores, and all training rows${of} have ${first}: add rows with other scores.`,
    );
}

const isScored = ({ label }: EmbeddingExample): boolean => label?.score !== undefined;

/** @throws UsageError naming an example whose score is no cosine */
function checkScores(examples: readonly EmbeddingExample[]): void {
  const outside = examples.find(({ label }) => Math.abs(label?.score ?? 0) > 1);
  if (outside)
    throw new UsageError(
      `--loss cosine takes scores from -1 to 1, and ${where(outside.at)} has ${outside.label?.score}: divide the scores by the largest, or use --loss cosent, which reads only their order.`,
    );
}
