import { modelInput } from "../../src/models/index.js";
import { crossEntropy, IGNORED_LABEL } from "../../src/models/nn/index.js";
import { type Batch, lossWeight, TASKS, type Task, type TaskKind } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { type ForwardCase, get, goldenRows, type Tensors } from "./goldenFiles.js";

type ClassifierHead = Exclude<ForwardCase["head"], "lm" | "none">;

const KINDS: Readonly<Record<ClassifierHead, TaskKind>> = {
  single: "sequence-classification",
  multi: "multi-label-classification",
  regression: "regression",
  tokens: "token-classification",
};

/** The labeled batch of a golden file. */
export function goldenBatch(head: ClassifierHead, tensors: Tensors): { task: Task; batch: Batch } {
  const rows = goldenRows(tensors);
  const labels = get(tensors, "labels").toArray();
  const targets = targetsOf(head, labels, rows);
  const at = { file: "golden", line: 1 };
  const labeled = rows.map((row, i) => ({ ...row, target: targets[i], at }));
  return { task: TASKS[KINDS[head]], batch: { examples: labeled, ...modelInput(rows) } };
}

/** This program's loss, as the mean that transformers returns. */
export function goldenLoss(head: ForwardCase["head"], tensors: Tensors, outputs: torch.Tensor): torch.Tensor {
  if (head === "none") throw new Error("there is no head that could have a loss");
  if (head === "lm") return languageLoss(tensors, outputs);
  const { task, batch } = goldenBatch(head, tensors);
  return torch.divScalar(task.loss(outputs, batch), lossWeight(task, batch));
}

/** The mean over tokens with loss. @param logits [N, vocabulary] */
function languageLoss(tensors: Tensors, logits: torch.Tensor): torch.Tensor {
  const targets = foretold(tensors);
  const borne = targets.filter((target) => target !== IGNORED_LABEL).length;
  const labels = torch.tensor(targets, [targets.length], "int64");
  return torch.divScalar(crossEntropy(torch.castTo(logits, "float32"), labels), borne);
}

/** For each token the next one, if that has loss. The file's labels are the tokens' own ids. */
export function foretold(tensors: Tensors): number[] {
  const labels = Array.from(get(tensors, "labels").toArray());
  let end = 0;
  return get(tensors, "lengths")
    .toArray()
    .flatMap((length) => {
      end += length;
      return [...labels.slice(end - length + 1, end), IGNORED_LABEL];
    });
}

function targetsOf(head: ClassifierHead, labels: readonly number[], rows: ReturnType<typeof goldenRows>): unknown[] {
  if (head === "single" || head === "regression") return [...labels];
  const widths =
    head === "multi" ? rows.map(() => labels.length / rows.length) : rows.map((row) => row.inputIds.length);
  let end = 0;
  return widths.map((width) => {
    end += width;
    return labels.slice(end - width, end);
  });
}
