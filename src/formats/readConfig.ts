import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ADAPTER_CONFIG, BidoraError, CONFIG_FILE, statOf } from "../base/index.js";
import { type JsonObject, readJsonObject } from "../base/records/index.js";

/** The `config.json` of a model folder. @throws BidoraError `CHECKPOINT`, `JSON` */
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
      `${folder} holds an adapter, not a model: pass it as the adapter, and its base model as the model.`,
    );
  }
  const gguf = readdirSync(folder).find((name) => /\.gguf$/i.test(name));
  const advice =
    gguf === undefined
      ? "expected a Hugging Face model folder"
      : `pass the file ${join(folder, gguf)} itself as the model`;
  throw new BidoraError("CHECKPOINT", `${folder} has no config.json; ${advice}.`);
}
