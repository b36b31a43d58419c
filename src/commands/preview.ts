import { aWhole, checkArguments, optional, options as optionsOf } from "../common/arguments.js";
import { aRunConfig, type RunConfig } from "../config/index.js";
import { hubOptions } from "../io/hub/options.js";
import { IGNORED_LABEL } from "../nn/index.js";
import { startOf } from "../run/adapterStart.js";
import { readRunData } from "../run/runData.js";
import { type EncodedRow, encodeRows, type Task } from "../tasks/index.js";
import type { Tokenizer } from "../text/index.js";
import type { FinetuneOptions } from "./finetune.js";

/** A stretch of a row's tokens that all bear loss, or none of them does. */
export interface PreviewPart {
  readonly text: string;
  readonly bearsLoss: boolean;
}

/** A training row as the model gets it. */
export interface PreviewRow {
  /** Where it stands in its file. */
  readonly line: number;
  readonly length: number;
  readonly inputIds: readonly number[];
  /** The tokens as text, special ones too: in one, and by what bears loss. */
  readonly text: string;
  readonly parts: readonly PreviewPart[];
  /** Of each token, whether it bears loss: for language models. */
  readonly bearsLoss?: readonly boolean[];
  /** What the loss is taken against: for all other tasks. */
  readonly target?: unknown;
}

/** Training rows to look at, and the lengths of all of them. */
export interface Preview {
  readonly rows: readonly PreviewRow[];
  /** Of the tokens of each training row, in their order. */
  readonly lengths: readonly number[];
  /** How many tokens of all rows bear loss: for language models. */
  readonly bearing: number | undefined;
  readonly maxLength: number;
}

const OPTIONS = optionsOf({ limit: aWhole, hub: optional(hubOptions) });

/**
 * The training rows of a run as token ids, with what of them bears loss. Nothing is trained, and no weights are read.
 * Of these, as many as `limit` says are given
 * @throws UsageError and BidoraError as the run itself would for its rows
 */
export async function preview(
  config: RunConfig,
  options: Pick<FinetuneOptions, "hub"> & { readonly limit: number },
): Promise<Preview> {
  checkArguments("preview", ["config", config, aRunConfig], ["options", options, OPTIONS]);
  const { limit, hub } = options;
  const { choice, splits, tokenizer, labels, model, maxLength } = await readRunData(await startOf(config, hub), hub);
  const { task } = choice;
  const encoding = { labels, maxLength, trainOn: config.trainOn, model };
  const encoded = await encodeRows(task, splits.train.examples, tokenizer, encoding);
  return {
    rows: await Promise.all(encoded.slice(0, limit).map((row) => previewRow(row, task, tokenizer))),
    lengths: encoded.map(({ inputIds }) => inputIds.length),
    bearing: task.takesTrainOn ? encoded.reduce((sum, row) => sum + task.weight(row), 0) : undefined,
    maxLength,
  };
}

async function previewRow(row: EncodedRow, task: Task, tokenizer: Tokenizer): Promise<PreviewRow> {
  const { inputIds, at, target } = row;
  const marks = task.takesTrainOn ? marksOf(target as readonly number[]) : inputIds.map(() => false);
  return {
    line: at.line,
    length: inputIds.length,
    inputIds,
    text: await tokenizer.decode(inputIds, { skipSpecialTokens: false }),
    parts: await partsOf(inputIds, marks, tokenizer),
    ...(task.takesTrainOn ? { bearsLoss: marks } : { target }),
  };
}

/** A target stands at the token before the one that is foretold. */
const marksOf = (targets: readonly number[]): boolean[] =>
  targets.map((_, i) => i > 0 && targets[i - 1] !== IGNORED_LABEL);

async function partsOf(
  ids: readonly number[],
  marks: readonly boolean[],
  tokenizer: Tokenizer,
): Promise<PreviewPart[]> {
  const starts = marks.flatMap((mark, i) => (i === 0 || mark !== marks[i - 1] ? [i] : []));
  const stretches = starts.map((start, i) => ({ start, stretch: ids.slice(start, starts[i + 1]) }));
  return Promise.all(
    stretches.map(async ({ start, stretch }) => ({
      text: await tokenizer.decode(stretch, { skipSpecialTokens: false }),
      bearsLoss: marks[start] as boolean,
    })),
  );
}
