/** Exports a model, merged with its adapter if there is one, as a GGUF file. */
import { basename } from "node:path";
import {
  count,
  type FileType,
  fileTypeNumber,
  type GgufEntry,
  type GgufPair,
  text,
  tokenizerMetadata,
} from "../../../formats/gguf/index.js";
import type { HubContext } from "../../../formats/hub/index.js";
import type { Pooling } from "../../../formats/index.js";
import { mergedParameters } from "../../../models/adapters/index.js";
import { refuseBadWeights, weightsIn } from "../../../models/index.js";
import type { NamedTask } from "../../../tasks/index.js";
import { loadTokenizer } from "../../../text/index.js";
import { findModel, foldersOf, open } from "../../inference/open.js";
import { limitOf, notesOnEmbeddings, poolingPair } from "./embeddings.js";
import { freeDestination, ggufName, writeBoth } from "./modelfile.js";
import { factorsTensor, modelTensors } from "./tensors.js";
import { stopsOf, tokenizerParts } from "./tokenizer.js";
import { refuseBare, refuseOtherHeads, writableModel } from "./writable.js";

/** The model to write, and where. */
export interface GgufSettings {
  readonly model?: string | undefined;
  readonly revision?: string | undefined;
  readonly adapter?: string | undefined;
  readonly outtype?: FileType | undefined;
  readonly pooling?: Pooling | undefined;
  readonly output?: string | undefined;
  readonly overwrite: boolean;
}

/** The default output type of llama.cpp's converter. */
const DEFAULT_TYPE = "f16";
/** A written file, and a sentence about its contents. */
export interface Exported {
  readonly path: string;
  readonly note: string;
  /** For an adapter, the relative error of the exported change of the weights. */
  readonly relativeError?: number;
}

/** What was written, and what to know of a model that embeds texts. */
export interface ExportedGguf extends Exported {
  /** One sentence each. */
  readonly notes?: readonly string[];
}

/** ggml's version of the quantization formats. */
const QUANTIZATION_VERSION = 2;

/**
 * Writes the model and its adapter, if there is one, as a single GGUF file like llama.cpp's converter, and a Modelfile next to it: a
 * language model, or a model that embeds texts.
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
  const tokenizer = await loadTokenizer(source);
  const opened = await open(found, { task, pooling: settings.pooling, dtype: "float32" });
  refuseOtherHeads(opened, writable);
  const { embedding } = opened.task;
  const form = writable.form(embedding && limitOf(opened, embedding, tokenizer));
  const parts = await tokenizerParts(tokenizer, source, writable.json, embedding);
  const { outtype = DEFAULT_TYPE } = settings;
  const pairs: GgufPair[] = [
    ["general.architecture", text(form.name)],
    ["general.type", text("model")],
    ["general.name", text(basename(destination.path).replace(/\.gguf$/i, ""))],
    ...form.pairs,
    ...(embedding ? [poolingPair(form, embedding)] : []),
    ["general.file_type", count(fileTypeNumber(outtype))],
    ["general.quantization_version", count(QUANTIZATION_VERSION)],
    ...tokenizerMetadata(parts, writable.config.vocabSize),
  ];
  refuseBadWeights(weightsIn({ folder: source, model: opened.model }));
  const changed = opened.adapted ? mergedParameters(opened.adapted) : new Map();
  const tensors = modelTensors(opened.model, { form, fileType: outtype }, changed);
  const factors = form.factors ? [factorsTensor(form.factors)] : [];
  const stops = embedding ? [] : stopsOf(tokenizer, parts);
  writeBoth(destination, pairs, [...factors, ...tensors], (from) => ({ from, stops }));
  return {
    path: destination.path,
    note: noteOf(outtype, tensors, form.note),
    ...(embedding && { notes: notesOnEmbeddings(embedding, form, parts) }),
  };
}

function noteOf(outtype: FileType, tensors: readonly GgufEntry[], note: string | undefined): string {
  const kinds = new Set(tensors.map(({ type }) => type));
  const mixed = [...kinds].filter((kind) => kind !== outtype.toUpperCase());
  const beside =
    mixed.length > 0 ? ` (${mixed.join(", ")} for vectors, and for rows that do not fill whole blocks)` : "";
  return [`${tensors.length} tensors in ${outtype.toUpperCase()}${beside}.`, note].filter(Boolean).join(" ");
}
