import type { JsonObject } from "../../files/json.js";
import { readConfig } from "../../io/checkpoint.js";
import { architectureFor, type NamedArchitecture, writableModelTypes } from "../../io/gguf/architectures.js";
import { architectureOf, type DecoderConfig } from "../../models/index.js";
import type { UsedHead } from "../../tasks/index.js";
import { type ModelMetadata, modelMetadata } from "./modelMetadata.js";
import { exportError } from "./refuse.js";

/** A model folder's configuration, in both worlds. */
export interface Decoder {
  readonly architecture: NamedArchitecture;
  readonly json: JsonObject;
  readonly config: DecoderConfig;
  readonly metadata: ModelMetadata;
}

/** @throws BidoraError `CONFIG`, and `EXPORT` for a model that llama.cpp does not have, or has otherwise */
export function decoderOf(folder: string): Decoder {
  const json = readConfig(folder);
  const { model_type: type } = json;
  const known = architectureOf(json);
  const architecture = architectureFor(type);
  if (!architecture) {
    throw exportError(`its model_type is ${String(type)}; supported are ${writableModelTypes().join(", ")}.`);
  }
  // Every architecture that files are written of is a decoder.
  const config = known.parseConfig(json) as DecoderConfig;
  return { architecture, json, config, metadata: modelMetadata(architecture, config) };
}

/** @throws BidoraError `EXPORT` for a model that is used for something else than going on with texts */
export function requireLanguageModel({ kind, task }: UsedHead): void {
  if (task.head.className === "ForCausalLM") return;
  throw exportError(`it is for ${kind}, and llama.cpp runs causal language models (--task causal-lm).`);
}
