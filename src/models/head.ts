import type { TaskKind } from "../data/task.js";
import { castTo } from "../nn/index.js";
import type * as torch from "../torch/index.js";

/** Tasks that an encoder has a head for. */
export type HeadKind = Exclude<TaskKind, "causal-lm">;

/** What stands on top of the encoder: one output a label, in this order (regression: one output). */
export interface Head {
  readonly kind: HeadKind;
  readonly labels: readonly string[];
}

/** True for heads that look at each row's first token alone. */
export function isSequenceHead(kind: HeadKind): boolean {
  return kind !== "token-classification";
}

/** The second part of transformers' class name for a head. */
export function taskClass(kind: HeadKind): string {
  return isSequenceHead(kind) ? "ForSequenceClassification" : "ForTokenClassification";
}

/** Heads are trained, so they compute in full precision whatever the encoder's dtype is. */
export function headDtype(dtype: torch.DType): torch.DType {
  return dtype === "float64" ? "float64" : "float32";
}

/** Hidden states in the head's precision. */
export function toHead(hidden: torch.Tensor): torch.Tensor {
  return castTo(hidden, headDtype(hidden.dtype));
}
