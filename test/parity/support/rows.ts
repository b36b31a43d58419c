import { join } from "node:path";
import { readConfig } from "../../../src/formats/checkpoint.js";
import { IGNORED_LABEL } from "../../../src/models/nn/index.js";
import { LabelMap } from "../../../src/tasks/data/index.js";
import { readExamples } from "../../../src/tasks/datasets/index.js";
import {
  type EncodedExample,
  encodeExamples as encode,
  inferTask,
  TASKS,
  type Task,
  type TaskKind,
} from "../../../src/tasks/index.js";
import { loadTokenizer } from "../../../src/text/index.js";
import { BatchStream } from "../../../src/training/loop/batches.js";
import { GOLDEN } from "../goldenFiles.js";

/** Golden rows, encoded for a checkpoint: text pairs with a class, or words with labels. */
export async function encodeRows(
  family: string,
  { checkpoint, rows, maxLength }: { readonly checkpoint: string; readonly rows: string; readonly maxLength: number },
  kind: TaskKind = "sequence-classification",
): Promise<EncodedExample[]> {
  const folder = join(GOLDEN, family, checkpoint);
  const task: Task = TASKS[kind];
  const labels = new LabelMap(inferTask(readConfig(folder))!.labels);
  const textColumns = kind === "token-classification" ? undefined : ["sentence1", "sentence2"];
  const { examples } = await readExamples(task, join(GOLDEN, "rows", `${rows}.jsonl`), { textColumns });
  return encode(task, examples, await loadTokenizer(folder), { labels, maxLength });
}

/**
 * The same for a language model: each token is the label of the one before it, but for the first third of a row, a prompt.
 * @see foretold in texts.py
 */
export async function encodeLanguageRows(
  family: string,
  of: { readonly rows: string; readonly maxLength: number },
): Promise<EncodedExample[]> {
  const rows = await encodeRows(family, { ...of, checkpoint: "single" });
  return rows.map((row) => {
    const { inputIds } = row;
    const first = 1 + Math.floor(inputIds.length / 3);
    return {
      ...row,
      target: inputIds.map((_, i) => (i + 1 < first ? IGNORED_LABEL : (inputIds[i + 1] ?? IGNORED_LABEL))),
    };
  });
}

/** Batches in the order of rows, including a smaller last one. */
export function inOrder(rows: readonly EncodedExample[], batchSize: number): BatchStream {
  return new BatchStream(rows, { batchSize, shuffle: false, dropLast: false, seed: 0 });
}
