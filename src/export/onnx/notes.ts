/** What users of transformers.js must know about an exported model. */
import { classNameOf } from "../../models/index.js";
import type { ExportedModel } from "./open.js";

/** Models of bidora that transformers.js has no class for. */
export const WITHOUT_CLASS: readonly string[] = ["ModernBertForQuestionAnswering"];

/** Sentences about what transformers.js does with the model. */
export function notesOn({ architecture, task, kind }: ExportedModel): string[] {
  const name = classNameOf(architecture, task.head);
  return [
    ...(WITHOUT_CLASS.includes(name)
      ? [
          `transformers.js has no ${name}: run the model with onnxruntime itself, which gives start_logits and end_logits.`,
        ]
      : []),
    ...(kind === "regression"
      ? [
          "transformers.js's text-classification pipeline takes a softmax of the one output, which is always 1: call " +
            "AutoModelForSequenceClassification, whose logits are the value.",
        ]
      : []),
  ];
}
