/** What users of transformers.js must know about an exported model. */
import type { EmbeddingFormat } from "../../io/sentenceTransformers.js";
import { classNameOf } from "../../models/index.js";
import type { ExportedModel } from "./open.js";

/** Heads of encoders that transformers.js has no class for. */
const WITHOUT_CLASS: readonly string[] = ["ModernBertForQuestionAnswering"];

/** Sentences about what transformers.js does with the model. */
export function notesOn(model: ExportedModel): string[] {
  const name = classNameOf(model.architecture, model.task.head);
  if (hasNoClass(model, name))
    return [`transformers.js has no ${name}: run the graph with onnxruntime itself, which gives ${outputsOf(name)}.`];
  if (model.task.embedding) return notesOnEmbeddings(model.task.embedding);
  if (model.kind !== "regression") return [];
  return [
    "transformers.js's text-classification pipeline takes a softmax of the one output, which is always 1: call " +
      "AutoModelForSequenceClassification, whose logits are the value.",
  ];
}

/** What the pipeline must be given, since it reads none of sentence-transformers' files. */
function notesOnEmbeddings({ pooling, normalizes, prompts, includesPrompt }: EmbeddingFormat): string[] {
  const options = JSON.stringify({ pooling: pooling === "last" ? "last_token" : pooling, normalize: normalizes });
  const skipped = includesPrompt ? "" : "; their tokens count in the pooling there, which they do not for this model";
  return [
    `transformers.js's feature-extraction pipeline takes ${options} to give the embeddings that the graph has as sentence_embedding.`,
    ...(Object.keys(prompts).length > 0
      ? [
          `transformers.js puts no prompt before a text: write it there yourself (${Object.keys(prompts).join(", ")})${skipped}.`,
        ]
      : []),
  ];
}

/** transformers.js has decoders as language models only. */
function hasNoClass({ architecture, kind }: ExportedModel, name: string): boolean {
  const isDecoder = (architecture.heads.ForCausalLM ?? null) !== null;
  return WITHOUT_CLASS.includes(name) || (isDecoder && kind !== undefined && kind !== "causal-lm");
}

const outputsOf = (name: string): string =>
  name.endsWith("ForQuestionAnswering") ? "start_logits and end_logits" : "logits";
