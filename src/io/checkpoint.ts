import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { aText, checkArguments } from "../common/arguments.js";
import { BidoraError } from "../common/errors.js";
import { statOf } from "../common/fileSystem.js";
import { ADAPTER_CONFIG, CONFIG_FILE } from "./fileNames.js";
import { type JsonObject, readJsonObject } from "./json.js";
import { openWeights, type Weights } from "./weights.js";

/** An unmodified Hugging Face model folder: its configuration, and its weights under the names that they have there. */
export interface Checkpoint extends Weights {
  readonly folder: string;
  readonly config: JsonObject;
}

/**
 * Opens a model folder. Nothing but headers is read until a tensor is asked for; `close` it when the model has been built.
 * @throws BidoraError `CHECKPOINT`, `JSON`, `WEIGHTS` or `SAFETENSORS`: what is missing or wrong, in one sentence
 */
export function openCheckpoint(folder: string): Checkpoint {
  checkArguments("openCheckpoint", ["folder", folder, aText]);
  const config = readConfig(folder);
  return { folder, config, ...openWeights(folder) };
}

/** The `config.json` of a model folder, without touching its weights. @throws as `openCheckpoint` */
export function readConfig(folder: string): JsonObject {
  if (!statOf(folder)?.isDirectory()) {
    throw new BidoraError(
      "CHECKPOINT",
      `${folder} is not a folder; expected a model folder with config.json and model.safetensors.`,
    );
  }
  const path = join(folder, CONFIG_FILE);
  if (existsSync(path)) return readJsonObject(path);
  if (existsSync(join(folder, ADAPTER_CONFIG))) {
    throw new BidoraError(
      "CHECKPOINT",
      `${folder} holds an adapter, not a model: give it as the adapter, and its base as the model.`,
    );
  }
  const gguf = readdirSync(folder).find((name) => /\.gguf$/i.test(name));
  const advice =
    gguf === undefined
      ? "expected a Hugging Face model folder"
      : `give the file ${join(folder, gguf)} itself as the model`;
  throw new BidoraError("CHECKPOINT", `${folder} has no config.json; ${advice}.`);
}
