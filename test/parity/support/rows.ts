import { join } from "node:path";
import { type EncodedRow, encodeExamples, LabelMap, loadExamples } from "../../../src/data/index.js";
import { readConfig } from "../../../src/io/checkpoint.js";
import { inferHead } from "../../../src/models/index.js";
import { loadTokenizer } from "../../../src/text/index.js";
import { BatchStream } from "../../../src/train/batches.js";
import { GOLDEN } from "../goldenFiles.js";

/** Golden rows of pairs with a class, encoded for a checkpoint. */
export async function encodeRows(
  family: string,
  { checkpoint, rows, maxLength }: { readonly checkpoint: string; readonly rows: string; readonly maxLength: number },
): Promise<EncodedRow[]> {
  const folder = join(GOLDEN, family, checkpoint);
  const task = "sequence-classification";
  const labels = new LabelMap(inferHead(readConfig(folder))!.labels);
  const textColumns = ["sentence1", "sentence2"];
  const { examples } = await loadExamples(join(GOLDEN, "rows", `${rows}.jsonl`), { task, textColumns });
  return encodeExamples(examples, await loadTokenizer(folder), { task, labels, maxLength });
}

/** Batches in the rows' order, short last ones kept. */
export function inOrder(rows: readonly EncodedRow[], batchSize: number): BatchStream {
  return new BatchStream(rows, {
    task: "sequence-classification",
    batchSize,
    shuffle: false,
    dropLast: false,
    seed: 0,
  });
}
