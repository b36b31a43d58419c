/** Exports a model, merged with its adapter if there is one, as a GGUF file. */
import {
  count,
  ENCODER_TYPES,
  type FileType,
  fileTypeNumber,
  type GgufEntry,
  type GgufPair,
  poolingPair,
  RERANKER_TYPES,
  text,
  tokenizerMetadata,
  writableModelTypes,
} from "../../../formats/gguf/index.js";
import type { HubContext } from "../../../formats/hub/index.js";
import { isSentenceTransformer, type Pooling, readConfig } from "../../../formats/index.js";
import { mergedParameters } from "../../../models/adapters/index.js";
import { architectureOf, refuseBadWeights, weightsIn } from "../../../models/index.js";
import { inferTask, isOfLanguageModel, type NamedTask, type ResolvedHead } from "../../../tasks/index.js";
import { loadTokenizer } from "../../../text/index.js";
import {
  type FoundModel,
  findModel,
  foldersOf,
  noteAdapterTokenizer,
  open,
  trainedTemplate,
} from "../../inference/open.js";
import type { Exported, ModelToExport } from "../exporting.js";
import { writableDecoder } from "./decoders.js";
import { limitOf, notesOnEmbeddings } from "./embeddings.js";
import { writableEncoder } from "./encoders.js";
import { exportError, type Writable } from "./form.js";
import { freeDestination, ggufName, writeBoth } from "./modelfile.js";
import { notesOnReranking, pairParts, rankingPairs, refuseOtherRankings, refuseTokenTypes } from "./reranking.js";
import { factorsTensor, modelTensors } from "./tensors.js";
import { stopsOf, tokenizerParts } from "./tokenizer.js";
import { tokenNotes } from "./tokenNotes.js";

export interface GgufSettings extends ModelToExport {
  readonly outtype?: FileType | undefined;
  readonly pooling?: Pooling | undefined;
}

/** The default output type of llama.cpp's converter. */
const DEFAULT_TYPE = "f16";

/** What was written, and what to know of a model that embeds texts or ranks them. */
interface ExportedGguf extends Exported {
  /** One sentence each. */
  readonly notes?: readonly string[];
}

/** ggml's version of the quantization formats. */
const QUANTIZATION_VERSION = 2;

/**
 * Writes the model and its adapter, if there is one, as a single GGUF file like llama.cpp's converter, and a Modelfile next to it: a
 * language model, or a model that embeds texts; a reranker without a Modelfile, since Ollama runs none.
 */
export async function exportGguf(
  settings: GgufSettings,
  task: NamedTask | undefined,
  context?: HubContext,
): Promise<ExportedGguf> {
  const output = ggufName(settings.output);
  const found = await findModel(settings, context);
  const source = found.folder;
  const destination = freeDestination(output, settings.overwrite, foldersOf(found));
  const writable = writableModel(source);
  if (settings.pooling === undefined) refuseBare(found, writable);
  const tokenizer = await loadTokenizer(source, { chatTemplate: trainedTemplate(found) });
  const opened = await open(found, { task, pooling: settings.pooling, dtype: "float32" });
  refuseOtherHeads(opened, writable);
  await noteAdapterTokenizer(found, tokenizer, opened.task);
  const { embedding, reranking } = opened.task;
  const texts = embedding ?? reranking;
  const form = writable.form(texts && limitOf(opened, texts, tokenizer));
  const single = await tokenizerParts(tokenizer, source, writable.json, embedding ?? (reranking && {}));
  const parts = reranking ? await pairParts(single, tokenizer) : single;
  const { outtype = DEFAULT_TYPE } = settings;
  const pairs: GgufPair[] = [
    ["general.architecture", text(form.name)],
    ["general.type", text("model")],
    ["general.name", text(destination.name)],
    ...form.pairs,
    ...(embedding ? [poolingPair(form.name, embedding)] : []),
    ...(reranking ? rankingPairs(form, writable, reranking, opened.labels) : []),
    ["general.file_type", count(fileTypeNumber(outtype))],
    ["general.quantization_version", count(QUANTIZATION_VERSION)],
    ...tokenizerMetadata(parts, writable.config.vocabSize),
  ];
  refuseBadWeights(weightsIn({ folder: source, model: opened.model }));
  const changed = opened.adapted ? mergedParameters(opened.adapted) : new Map();
  if (reranking) await refuseTokenTypes(opened.model, changed, tokenizer);
  const tensors = modelTensors(opened.model, { form, fileType: outtype }, changed);
  const factors = form.factors ? [factorsTensor(form.factors)] : [];
  const stops = texts ? [] : stopsOf(tokenizer, parts);
  writeBoth(destination, pairs, [...factors, ...tensors], reranking ? undefined : (from) => ({ from, stops }));
  return {
    path: destination.path,
    note: noteOf(outtype, tensors, form.note),
    notes: embedding
      ? notesOnEmbeddings(embedding, form, parts)
      : reranking
        ? notesOnReranking(reranking, form, parts)
        : tokenNotes(parts),
  };
}

function noteOf(outtype: FileType, tensors: readonly GgufEntry[], note: string | undefined): string {
  const kinds = new Set(tensors.map(({ type }) => type));
  const mixed = [...kinds].filter((kind) => kind !== outtype.toUpperCase());
  const beside =
    mixed.length > 0 ? ` (${mixed.join(", ")} for vectors, and for rows that do not fill whole blocks)` : "";
  return [`${tensors.length} tensors in ${outtype.toUpperCase()}${beside}.`, note].filter(Boolean).join(" ");
}

/** @throws BidoraError `CONFIG`, and `EXPORT` for a model that llama.cpp does not support or computes differently */
export function writableModel(folder: string): Writable {
  const json = readConfig(folder);
  architectureOf(json);
  const found = writableDecoder(json) ?? writableEncoder(json);
  if (found) return found;
  throw exportError(
    `its model_type is ${String(json.model_type)}; supported are ${writableModelTypes().join(", ")}, and of encoders that embed texts ` +
      `${ENCODER_TYPES.join(", ")} (as rerankers ${RERANKER_TYPES.join(", ")}). onnxruntime runs all models, with --to onnx.`,
  );
}

/** @throws BidoraError `EXPORT` for an encoder without a head that nothing says embeds texts */
export function refuseBare({ folder, adapter }: FoundModel, { json, isEncoder }: Writable): void {
  if (!isEncoder || adapter || isSentenceTransformer(folder) || inferTask(json)) return;
  throw exportError(
    "it is an encoder, and nothing says how its token states become embeddings: give --pooling, --adapter with one of --task embedding, or a " +
      "model of sentence-transformers (with modules.json).",
  );
}

/** @throws BidoraError `EXPORT` for a model that is no language model, embeds no texts, and ranks none as llama.cpp does */
export function refuseOtherHeads({ kind, task }: ResolvedHead, writable: Writable): void {
  if (task.reranking) refuseOtherRankings(writable);
  if (task.embedding || task.reranking || (isOfLanguageModel(task) && !writable.isEncoder)) return;
  throw exportError(
    `it is for ${kind}, but llama.cpp runs only causal language models (--task causal-lm), models that embed texts (--task embedding) and ` +
      "rerankers (--task reranking): use --to onnx.",
  );
}
