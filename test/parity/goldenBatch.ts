import { modelInput } from "../../src/models/index.js";
import { type Batch, lossWeight, TASKS, type Task, type TaskKind } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { type ForwardCase, get, goldenRows, type Tensors } from "./goldenFiles.js";

const KINDS: Readonly<Record<Exclude<ForwardCase["head"], "none">, TaskKind>> = {
  single: "sequence-classification",
  multi: "multi-label-classification",
  regression: "regression",
  tokens: "token-classification",
};

/** The labelled batch that a golden file was made with. */
export function goldenBatch(head: keyof typeof KINDS, tensors: Tensors): { task: Task; batch: Batch } {
  const rows = goldenRows(tensors);
  const labels = get(tensors, "labels").toArray();
  const targets = targetsOf(head, labels, rows);
  const at = { file: "golden", line: 1 };
  const labelled = rows.map((row, i) => ({ ...row, target: targets[i], at }));
  return { task: TASKS[KINDS[head]], batch: { rows: labelled, input: modelInput(rows) } };
}

/** The product's own loss of a model's outputs, as the mean that transformers gives. */
export function goldenLoss(head: ForwardCase["head"], tensors: Tensors, outputs: torch.Tensor): torch.Tensor {
  if (head === "none") throw new Error("there is no head that could have a loss");
  const { task, batch } = goldenBatch(head, tensors);
  return torch.divScalar(task.loss(outputs, batch), lossWeight(task, batch));
}

function targetsOf(
  head: keyof typeof KINDS,
  labels: readonly number[],
  rows: ReturnType<typeof goldenRows>,
): unknown[] {
  if (head === "single" || head === "regression") return [...labels];
  const widths =
    head === "multi" ? rows.map(() => labels.length / rows.length) : rows.map((row) => row.inputIds.length);
  let end = 0;
  return widths.map((width) => {
    end += width;
    const own = labels.slice(end - width, end);
    return head === "multi" ? own : { tokens: own, words: [] };
  });
}
