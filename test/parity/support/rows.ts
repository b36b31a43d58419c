import { join } from "node:path";
import { type EncodedRow, encodeExamples, LabelMap, loadExamples, type TaskKind } from "../../../src/data/index.js";
import { readConfig } from "../../../src/io/checkpoint.js";
import { inferHead } from "../../../src/models/index.js";
import { loadTokenizer } from "../../../src/text/index.js";
import { BatchStream } from "../../../src/train/batches.js";
import { GOLDEN } from "../goldenFiles.js";

/** Golden rows, encoded for a checkpoint: pairs with a class, or words with a label each. */
export async function encodeRows(
  family: string,
  { checkpoint, rows, maxLength }: { readonly checkpoint: string; readonly rows: string; readonly maxLength: number },
  task: TaskKind = "sequence-classification",
): Promise<EncodedRow[]> {
  const folder = join(GOLDEN, family, checkpoint);
  const labels = new LabelMap(inferHead(readConfig(folder))!.labels);
  const textColumns = task === "token-classification" ? undefined : ["sentence1", "sentence2"];
  const { examples } = await loadExamples(join(GOLDEN, "rows", `${rows}.jsonl`), { task, textColumns });
  return encodeExamples(examples, await loadTokenizer(folder), { task, labels, maxLength });
}

/** Batches in the rows' order, short last ones kept. */
export function inOrder(
  rows: readonly EncodedRow[],
  batchSize: number,
  task: TaskKind = "sequence-classification",
): BatchStream {
  return new BatchStream(rows, {
    task,
    batchSize,
    shuffle: false,
    dropLast: false,
    seed: 0,
  });
}
