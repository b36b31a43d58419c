/** Exports a model, merged with its adapter if there is one, as a GGUF file. */
import { basename } from "node:path";
import { mergedParameters } from "../../adapters/index.js";
import { findModel, foldersOf, open } from "../../inference/open.js";
import { count, type GgufPair, text } from "../../io/gguf/metadata.js";
import { type FileType, fileTypeNumber } from "../../io/gguf/quantize.js";
import { tokenizerMetadata } from "../../io/gguf/tokenizerMetadata.js";
import type { GgufEntry } from "../../io/gguf/writer.js";
import type { NamedTask } from "../../tasks/index.js";
import { loadTokenizer } from "../../text/index.js";
import { refuseBadWeights, weightsOf } from "../../train/badWeights.js";
import { decoderOf, requireLanguageModel, stopsOf, tokenizerParts } from "./metadata.js";
import { freeDestination, ggufName, writeBoth } from "./modelfile.js";
import { factorsTensor, modelTensors } from "./tensors.js";

/** The model to write, and where. */
export interface GgufSettings {
  readonly model?: string | undefined;
  readonly revision?: string | undefined;
  readonly adapter?: string | undefined;
  readonly outtype?: FileType | undefined;
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

/** ggml's version of the quantization formats. */
const QUANTIZATION_VERSION = 2;

/** Writes the model and its adapter, if there is one, as a single GGUF file like llama.cpp's converter, and a Modelfile next to it. */
export async function exportGguf(settings: GgufSettings, task: NamedTask | undefined): Promise<Exported> {
  const output = ggufName(settings.output);
  const found = await findModel(settings);
  const source = found.folder;
  const destination = freeDestination(output, settings.overwrite, foldersOf(found));
  const { architecture, config, metadata, json } = decoderOf(source);
  const tokenizer = await loadTokenizer(source);
  const parts = await tokenizerParts(tokenizer, source, json);
  const { outtype = DEFAULT_TYPE } = settings;
  const pairs: GgufPair[] = [
    ["general.architecture", text(architecture.name)],
    ["general.type", text("model")],
    ["general.name", text(basename(destination.path).replace(/\.gguf$/i, ""))],
    ...metadata.pairs,
    ["general.file_type", count(fileTypeNumber(outtype))],
    ["general.quantization_version", count(QUANTIZATION_VERSION)],
    ...tokenizerMetadata(parts, config.vocabSize),
  ];
  const opened = await open(found, { task, dtype: "float32" });
  requireLanguageModel(opened);
  refuseBadWeights({ folder: source, weights: weightsOf(opened.model) });
  const changed = opened.adapted ? mergedParameters(opened.adapted) : new Map();
  const tensors = modelTensors(opened.model, { architecture, config, fileType: outtype }, changed);
  const factors = metadata.factors ? [factorsTensor(metadata.factors)] : [];
  writeBoth(destination, pairs, [...factors, ...tensors], (from) => ({ from, stops: stopsOf(tokenizer, parts) }));
  return { path: destination.path, note: noteOf(outtype, tensors, metadata.note) };
}

function noteOf(outtype: FileType, tensors: readonly GgufEntry[], note: string | undefined): string {
  const kinds = new Set(tensors.map(({ type }) => type));
  const mixed = [...kinds].filter((kind) => kind !== outtype.toUpperCase());
  const beside =
    mixed.length > 0 ? ` (${mixed.join(", ")} for vectors, and for rows that do not fill whole blocks)` : "";
  return [`${tensors.length} tensors in ${outtype.toUpperCase()}${beside}.`, note].filter(Boolean).join(" ");
}
