import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { UsageError } from "../common/errors.js";
import type { predictOptions, Settings } from "../config/index.js";
import { type EncodedRow, type Example, encodeExamples } from "../data/index.js";
import { freeFile } from "../folders/outputFolder.js";
import { writeAll, writeAtomic } from "../io/atomic.js";
import type { Head } from "../models/index.js";
import { readRows, taskOf, usualColumns } from "../tasks/taskData.js";
import { namingBadWeights, weightsOf } from "../train/badWeights.js";
import { argmax, forwardAll } from "../train/evaluation.js";
import { wordsOf } from "../train/predictions.js";
import { type InferenceHooks, lengthFor, openForUse } from "./evaluate.js";

/** What `predict` writes for a row, by the kind of task. */
export type Prediction =
  | { readonly label: string; readonly score: number; readonly logits: readonly number[] }
  | { readonly labels: readonly string[]; readonly scores: readonly number[]; readonly logits: readonly number[] }
  | { readonly value: number }
  | {
      readonly tokens: readonly string[];
      readonly labels: readonly (string | null)[];
      readonly logits: readonly (readonly number[] | null)[];
    };

/**
 * Writes one JSON object for each row of `--input`, in the same order.
 * @throws UsageError for what is missing, BidoraError `OUTPUT_IN_USE`, `NOT_FINITE` naming the row, and what does not fit
 */
export async function predict(
  settings: Settings<typeof predictOptions>,
  { signal, hub }: InferenceHooks = {},
): Promise<{ readonly rows: number; readonly path: string }> {
  const { input, output, overwrite } = settings;
  if (input === undefined) throw new UsageError("--input is missing: give a file with the rows.");
  if (output === undefined) throw new UsageError("--output is missing: give the file to write.");
  const read = [input, settings.model, settings.adapter].filter((path) => path !== undefined);
  const path = freeFile(output, overwrite, read);
  const open = await openForUse(settings, settings.task === undefined ? undefined : taskOf(settings.task).kind, hub);
  const { kind } = open.head;
  const columns = { textColumns: settings.textColumns, ...usualColumns(open.side) };
  const { examples } = await readRows(input, kind, columns, "optional");
  const unlabelled = examples.map(withoutLabel);
  const rows = await encodeExamples(unlabelled, open.tokenizer, {
    task: kind,
    labels: undefined,
    maxLength: lengthFor(settings, open),
    model: open.model.config,
  });
  const logits = await namingBadWeights(
    () => ({ folder: open.folder, weights: weightsOf(open.model) }),
    () => forwardAll(open.model, rows, kind, settings.batchSize, { signal }),
  );
  const lines = logits.map((values, i) => {
    return `${JSON.stringify(predictionOf(values, rows[i] as EncodedRow, examples[i] as Example, open.head))}\n`;
  });
  mkdirSync(dirname(path), { recursive: true });
  writeAtomic(path, (descriptor) => {
    for (const line of lines) writeAll(descriptor, Buffer.from(line));
  });
  return { rows: rows.length, path: output };
}

/** Labels of rows to predict are passed over: they may even be unknown to the model. */
function withoutLabel(example: Example): Example {
  return example.kind === "words" ? { ...example, labels: undefined } : { ...example, label: undefined };
}

function predictionOf(logits: Float64Array, row: EncodedRow, example: Example, { kind, labels }: Head): Prediction {
  const name = (label: number) => labels[label] as string;
  switch (kind) {
    case "sequence-classification": {
      const best = argmax(logits);
      return { label: name(best), score: softmax(logits)[best] as number, logits: Array.from(logits) };
    }
    case "multi-label-classification": {
      const scores = Array.from(logits, (value) => 1 / (1 + Math.exp(-value)));
      return { labels: labels.filter((_, i) => (scores[i] as number) >= 0.5), scores, logits: Array.from(logits) };
    }
    case "regression":
      return { value: logits[0] as number };
    case "token-classification": {
      const words = wordsOf(logits, row, labels.length);
      return {
        tokens: example.kind === "words" ? example.tokens : [],
        labels: words.map((word) => word && name(argmax(word))),
        logits: words.map((word) => word && Array.from(word)),
      };
    }
  }
}

function softmax(logits: Float64Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
