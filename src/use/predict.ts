import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { UsageError } from "../common/errors.js";
import { type PredictSettings, predictOptions, resolveSettings } from "../config/index.js";
import type { Example } from "../data/index.js";
import { freeFile } from "../folders/outputFolder.js";
import { writeAll, writeAtomic } from "../io/atomic.js";
import { askedTask, encodeRows, readRows, usualColumns } from "../tasks/index.js";
import { namingBadWeights, weightsOf } from "../train/badWeights.js";
import { predictRows } from "../train/evaluation.js";
import { type InferenceHooks, lengthFor, openForUse } from "./evaluate.js";

/** What `predict` wrote. */
export interface PredictResult {
  readonly rows: number;
  readonly path: string;
}

/**
 * Writes one JSON object for each row of `--input`, in the same order.
 * @throws UsageError for what is missing, BidoraError `OUTPUT_IN_USE`, `NOT_FINITE` naming the row, and what does not fit
 */
export async function predict(
  given: PredictSettings,
  { signal, hub, task: own }: InferenceHooks = {},
): Promise<PredictResult> {
  const settings = resolveSettings(predictOptions, given);
  const { input, output, overwrite, batchSize } = settings;
  if (input === undefined) throw new UsageError("--input is missing: give a file with the rows.");
  if (output === undefined) throw new UsageError("--output is missing: give the file to write.");
  const read = [input, settings.model, settings.adapter].filter((path) => path !== undefined);
  const path = freeFile(output, overwrite, read);
  const open = await openForUse(settings, askedTask(settings.task, own), hub);
  const { task, labels } = open;
  const columns = { textColumns: settings.textColumns, ...usualColumns(open.side) };
  const { examples } = await readRows(task, input, columns, "optional");
  const rows = await encodeRows(task, examples.map(withoutLabel), open.tokenizer, {
    labels: undefined,
    maxLength: lengthFor(settings, open),
    model: open.model.config,
  });
  const lines: string[] = [];
  await namingBadWeights(
    () => ({ folder: open.folder, weights: weightsOf(open.model) }),
    () =>
      predictRows(open.model, rows, { task, labels, batchSize, signal }, (_row, prediction) =>
        lines.push(`${JSON.stringify(prediction)}\n`),
      ),
  );
  mkdirSync(dirname(path), { recursive: true });
  writeAtomic(path, (descriptor) => {
    for (const line of lines) writeAll(descriptor, Buffer.from(line));
  });
  return { rows: lines.length, path: output };
}

/** Labels of rows to predict are passed over: they may even be unknown to the model. */
function withoutLabel(example: Example): Example {
  return { ...example, label: undefined };
}
