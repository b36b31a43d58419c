/** Which models can be written as GGUF. */

import { ENCODER_TYPES, writableModelTypes } from "../../../formats/gguf/index.js";
import { isSentenceTransformer, readConfig } from "../../../formats/index.js";
import { architectureOf } from "../../../models/index.js";
import { inferTask, type ResolvedHead } from "../../../tasks/index.js";
import type { FoundModel } from "../../inference/open.js";
import { decoderOf, writableDecoder } from "./decoders.js";
import { writableEncoder } from "./encoders.js";
import { exportError } from "./exportError.js";
import type { Writable } from "./form.js";

/** @throws BidoraError `CONFIG`, and `EXPORT` for a model that llama.cpp does not support or computes differently */
export function writableModel(folder: string): Writable {
  const json = readConfig(folder);
  architectureOf(json);
  const decoder = decoderOf(json);
  const found = decoder ? writableDecoder(decoder) : writableEncoder(json);
  if (found) return found;
  throw exportError(
    `its model_type is ${String(json.model_type)}; supported are ${writableModelTypes().join(", ")}, and of encoders that embed texts ` +
      `${ENCODER_TYPES.join(", ")}. onnxruntime runs all models, with --to onnx.`,
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

/** @throws BidoraError `EXPORT` for a model that is neither a language model nor embeds texts */
export function refuseOtherHeads({ kind, task }: ResolvedHead, { isEncoder }: Pick<Writable, "isEncoder">): void {
  if (task.embedding || (task.head.className === "ForCausalLM" && !isEncoder)) return;
  throw exportError(
    `it is for ${kind}, but llama.cpp runs only causal language models (--task causal-lm) and models that embed texts (--task embedding): ` +
      "use --to onnx.",
  );
}
