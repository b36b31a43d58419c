import { readdirSync } from "node:fs";
import { join } from "node:path";
import { own, statOf } from "../../../base/index.js";
import type { Subject } from "./subject.js";
import { exporting, no, type Program, unknown, yes } from "./verdict.js";

const DECODERS = ["gpt2", "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma3_text", "smollm3"];

/**
 * Families that bidora has and transformers.js 4 has no class for, by the suffix of the class's name (its src/models/registry.js; a test reads
 * the installed version). Its AutoModel has a class for every family.
 */
export const WITHOUT_CLASS: Readonly<Record<string, readonly string[]>> = {
  ForSequenceClassification: DECODERS,
  ForTokenClassification: DECODERS,
  ForQuestionAnswering: [...DECODERS, "modernbert", "esm"],
};

/** transformers.js runs ONNX graphs, in the folder onnx/ of a model, for which it has a class. */
export const transformersJs: Program = (subject) => {
  const { modelType, isSupported, task, adapter } = subject;
  if (!isSupported) return unknown([`bidora has no facts about ${modelType}.`]);
  const lacking = modelType !== undefined && task && whyNoClass(modelType, task.head.className);
  if (lacking) return no([lacking]);
  const notes = [...pipelineNotes(subject), ...classNote(subject)];
  if (!adapter && hasGraph(subject.folder)) return yes({ notes });
  const what = adapter ? "It reads whole models, not adapters." : "It reads ONNX graphs, and there is none in onnx/.";
  return no([what], { notes, commands: [exporting(subject, "onnx", "-onnx").command] });
};

/** @param head the suffix of the class's name */
export const lacksClass = (modelType: string, head: string): boolean =>
  own(WITHOUT_CLASS, head)?.includes(modelType) === true;

function whyNoClass(modelType: string, head: string): string | undefined {
  if (!lacksClass(modelType, head)) return undefined;
  return `It has no class for ${modelType} with this head (${head}): onnxruntime itself runs the exported graph.`;
}

const hasGraph = (folder: string): boolean =>
  statOf(join(folder, "onnx"))?.isDirectory() === true &&
  readdirSync(join(folder, "onnx")).some((name) => name.endsWith(".onnx"));

const classNote = ({ whyUnknown }: Subject): string[] =>
  whyUnknown === undefined ? [] : [`Whether it has a class for the model is not known: ${whyUnknown}.`];

/** What its pipelines do otherwise than `bidora predict` (its src/pipelines). */
function pipelineNotes({ task }: Subject): string[] {
  if (task?.problem?.type === "regression")
    return [
      "Its pipeline puts a softmax on the one output, which is then always 1: take the logits of the model's class.",
    ];
  if (task?.embedding)
    return ["Its pipeline pools and normalizes only as each call says: the export prints what to give."];
  if (task?.head.className === "ForQuestionAnswering")
    return ["Its pipeline reads a long context only up to the model's length, not in windows: answers differ there."];
  return [];
}
