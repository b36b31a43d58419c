/** Exports an adapter as a LoRA for llama.cpp. */
import { UsageError } from "../../../base/index.js";
import { count, fileTypeNumber, type GgufPair, number, readGgufSource, text } from "../../../formats/gguf/index.js";
import type { HubContext } from "../../../formats/hub/index.js";
import {
  type AdaptedModel,
  lowRankUpdates,
  refuseUnmerged,
  trainedOutsideUpdates,
} from "../../../models/adapters/index.js";
import type { NamedTask } from "../../../tasks/index.js";
import { loadTokenizer } from "../../../text/index.js";
import { findModel, foldersOf, noteAdapterTokenizer, open, trainedTemplate } from "../../inference/open.js";
import { describeLoss, type Exported, refuseBadMatrices, requireAdapter } from "../exporting.js";
import { type GgufSettings, refuseOtherHeads, writableModel } from "./exportGguf.js";
import { exportError } from "./form.js";
import { freeDestination, ggufName, writeBoth } from "./modelfile.js";
import { loraTensors } from "./tensors.js";
import { stopsOf, tokenizerParts } from "./tokenizer.js";

/** An adapter of a model that embeds texts. */
export const MERGED_ONLY =
  "--to gguf-lora is for language models: an adapter's file can't say how token states are pooled, and llama.cpp would pool as the base " +
  "model's file does. Use --to gguf, which merges the adapter.";

/** An adapter of a reranker. */
export const HEADLESS =
  "--to gguf-lora is for language models: an adapter's file has no place for a reranker's head. Use --to gguf, which merges the adapter.";

export const PACKED_BASE =
  "LoftQ started the adapter on a packed base, and llama.cpp's file of the base has other values: use --to gguf, which merges the adapter.";

/** An adapter that was trained with a chat template of its own. */
export const OTHER_TEMPLATE =
  "An adapter's file has no chat template, and llama.cpp takes the base model's: give it the adapter's own with --jinja --chat-template-file chat_template.jinja, or use --to gguf, which writes it.";

/** Writes an adapter as a GGUF LoRA, which llama.cpp loads together with the base model's GGUF file, and a Modelfile next to it. */
export async function exportLora(
  settings: GgufSettings & { readonly rank?: number | undefined },
  task: NamedTask | undefined,
  context?: HubContext,
): Promise<Exported & { readonly relativeError: number; readonly notes?: readonly string[] }> {
  const output = ggufName(settings.output);
  requireAdapter(settings);
  const { outtype = "f32" } = settings;
  if (outtype !== "f32" && outtype !== "f16")
    throw new UsageError(`--outtype ${outtype} is not supported with --to gguf-lora: use f32 or f16.`);
  const found = await findModel(settings, context);
  if (found.adapter?.metadata?.initLoraWeights === "loftq") throw exportError(PACKED_BASE);
  const source = found.folder;
  const destination = freeDestination(output, settings.overwrite, foldersOf(found));
  const writable = writableModel(source);
  const tokenizer = await loadTokenizer(source, { chatTemplate: trainedTemplate(found) });
  const opened = await open(found, { task, dtype: "float32" });
  refuseOtherHeads(opened, writable);
  if (opened.task.embedding) throw new UsageError(MERGED_ONLY);
  if (opened.task.reranking) throw new UsageError(HEADLESS);
  await noteAdapterTokenizer(found, tokenizer, opened.task);
  const form = writable.form(undefined);
  const stops = stopsOf(tokenizer, await tokenizerParts(tokenizer, source, writable.json));
  const adapted = opened.adapted!;
  refuseBadMatrices(source, adapted);
  refuseOtherTrained(adapted);
  const { updates, ...loss } = lowRankUpdates(adapted, settings.rank);
  const { alpha, tensors } = loraTensors(updates, opened.model, { form, fileType: outtype });
  const pairs: GgufPair[] = [
    ["general.architecture", text(form.name)],
    ["general.type", text("adapter")],
    ["adapter.type", text("lora")],
    ["general.name", text(destination.name)],
    ["general.file_type", count(fileTypeNumber(outtype))],
    ["adapter.lora.alpha", number(alpha)],
  ];
  writeBoth(destination, pairs, tensors, (own) => ({ from: baseOf(source), adapter: own, stops }));
  return {
    path: destination.path,
    note: describeLoss(loss),
    relativeError: loss.relativeError,
    ...(trainedTemplate(found) !== undefined && { notes: [OTHER_TEMPLATE] }),
  };
}

/** @throws BidoraError `EXPORT` for trained tensors that llama.cpp's adapters can't contain, `MERGE` if merging would not help */
function refuseOtherTrained(adapted: AdaptedModel): void {
  const [first, ...others] = trainedOutsideUpdates(adapted);
  if (first === undefined) return;
  refuseUnmerged(adapted);
  const more = others.length > 0 ? ` and ${others.length} more` : "";
  throw exportError(
    `besides weight updates, the adapter trains ${first}${more}, which llama.cpp's adapters can't contain: use --to gguf, which merges everything.`,
  );
}

/** The base model's path for Ollama: the GGUF file, if the folder was converted from one. */
function baseOf(folder: string): string {
  const { path } = readGgufSource(folder);
  return typeof path === "string" ? path : folder;
}
