// The weight files of a model folder or repository.

import { BidoraError, WEIGHTS_FILE, WEIGHTS_INDEX } from "../base/index.js";
import { isJsonObject, readJsonObject } from "../base/records/index.js";

/** Weights in formats that can run code or belong to other frameworks, which are never opened. */
const FOREIGN_WEIGHTS = /\.(bin|pt|pth|ckpt|pkl|h5|msgpack|onnx)$/;
/** A GGUF file holds a whole model, including configuration and tokenizer. */
const GGUF_WEIGHTS = /\.gguf$/i;

/**
 * The error for a folder or repository without safetensors weights.
 * @param names names of the files that it has
 */
export function noWeights(where: string, names: Iterable<string>): BidoraError {
  const all = [...names];
  const gguf = all.find((name) => GGUF_WEIGHTS.test(name));
  const foreign = all.find((name) => FOREIGN_WEIGHTS.test(name));
  const hint =
    gguf !== undefined
      ? `it has ${gguf}, which holds a whole model: pass that file as the model (download it first if it is on the Hub).`
      : foreign === undefined
        ? `expected ${WEIGHTS_FILE}, or ${WEIGHTS_INDEX} with its shards.`
        : `it has ${foreign}, which is not supported (pickles can run code, other formats belong to other frameworks); convert it once, in Python: ` +
          "transformers.AutoModel….from_pretrained(IN).save_pretrained(OUT), with the class of its head, writes safetensors.";
  return new BidoraError("WEIGHTS", `${where} has no safetensors weights: ${hint}`);
}

/** The shard file of each tensor, from an index file. @throws BidoraError `WEIGHTS` for an invalid index */
export function readWeightMap(index: string): ReadonlyMap<string, string> {
  const map = readJsonObject(index).weight_map;
  const entries = isJsonObject(map) ? Object.entries(map) : undefined;
  if (!entries?.every((entry): entry is [string, string] => isPlainName(entry[1]))) {
    throw new BidoraError(
      "WEIGHTS",
      `${index} must have a weight_map from tensor names to file names in the same folder.`,
    );
  }
  return new Map(entries);
}

function isPlainName(file: unknown): boolean {
  return typeof file === "string" && /^[^/\\]+\.safetensors$/.test(file);
}
