import { BidoraError, UsageError } from "../common/errors.js";
import { type Example, rowError, where } from "../data/index.js";
import { type Tokenizer, UncuttableText } from "../text/index.js";
import type { EncodedRow, EncodeOptions, Task } from "./task.js";
import { checkIds, type VectorCounts } from "./vectorCounts.js";

/** How rows are encoded, and for what model. */
export interface RowEncoding extends EncodeOptions {
  /** What the model has vectors for, where it is known. */
  readonly model?: VectorCounts | undefined;
}

/**
 * Turns examples into the rows that a model is trained on or used with.
 * @throws UsageError for what of a row bears loss, where the task leaves no choice; BidoraError naming the row that has no token, one that the model has no vector for, or a label that doesn't fit
 */
export async function encodeRows<E extends Example, Row extends EncodedRow>(
  task: Pick<Task<E, Row>, "encode" | "reference" | "takesTrainOn">,
  examples: readonly E[],
  tokenizer: Tokenizer,
  { model, ...options }: RowEncoding,
): Promise<Row[]> {
  if (options.trainOn !== undefined && !task.takesTrainOn)
    throw new UsageError("No effect: --train-on is for language models (--task causal-lm); leave it out.");
  const rows = await task.encode(examples, tokenizer, options).catch((error: unknown) => {
    throw error instanceof UncuttableText ? tooLong(examples, error) : error;
  });
  const empty = rows.find((row) => row.inputIds.length === 0);
  if (empty)
    throw new BidoraError("EMPTY_TEXT", `${where(empty.at)}: the text gives no token at all: leave the row out.`);
  const fed = withReferences(tokenizer.givesTypes ? rows : rows.map(withoutTypes), examples, (example) =>
    task.reference(example, options.labels),
  );
  if (model) for (const row of fed) checkIds(row, where(row.at), tokenizer, model);
  return fed;
}

/** Labelled rows are told what their example's prediction is compared with. */
function withReferences<E extends Example, Row extends EncodedRow>(
  rows: readonly Row[],
  examples: readonly E[],
  referenceOf: (example: E) => unknown,
): Row[] {
  const byPlace = new Map(examples.map((example) => [example.at, example]));
  return rows.map((row) => {
    const example = row.target === undefined ? undefined : byPlace.get(row.at);
    return example ? { ...row, reference: referenceOf(example) } : row;
  });
}

/** A model that is not told the types takes every one for the first. */
function withoutTypes<Row extends EncodedRow>(row: Row): Row {
  return { ...row, tokenTypeIds: row.tokenTypeIds.map(() => 0) };
}

function tooLong(examples: readonly Example[], error: UncuttableText): BidoraError {
  const found = examples.find(({ input }) => Object.values(input as object).includes(error.text));
  return found === undefined ? error : rowError(found.at.file, found.at.line, error.message);
}
