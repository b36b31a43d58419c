import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { aText, BidoraError, checkArguments, WEIGHTS_FILE, WEIGHTS_INDEX } from "../base/index.js";
import type { JsonObject } from "../base/records/index.js";
import { withPackedLayers } from "./bitsandbytes/weights.js";
import { checkSource, GGUF_FILE } from "./gguf/modelFolder.js";
import { openGgufWeights } from "./gguf/weights.js";
import { noWeights, readWeightMap } from "./modelFiles.js";
import { readConfig } from "./readConfig.js";
import { openSafetensors, type SafetensorsFile } from "./safetensors/safetensors.js";
import type { Weights } from "./weights.js";

export { readConfig };

/** A Hugging Face model folder: its configuration, and its weights under their original names. */
export interface Checkpoint extends Weights {
  readonly folder: string;
  readonly config: JsonObject;
}

/**
 * Opens a model folder. Only headers are read at first, and tensors on demand; `close` it when the model has been built.
 * @throws BidoraError `CHECKPOINT`, `JSON`, `WEIGHTS` or `SAFETENSORS` for what is missing or wrong
 */
export function openCheckpoint(folder: string): Checkpoint {
  checkArguments("openCheckpoint", ["folder", folder, aText]);
  const config = readConfig(folder);
  return { folder, config, ...openWeights(folder) };
}

/**
 * Opens `model.safetensors`, the shards in `model.safetensors.index.json`, or `model.gguf`, and checks all headers. Matrices that
 * bitsandbytes packed are one tensor each.
 * @throws BidoraError `WEIGHTS` if there are none or the index doesn't match its shards, `SAFETENSORS` or `GGUF` for a damaged file
 */
export function openWeights(folder: string): Weights {
  const single = join(folder, WEIGHTS_FILE);
  if (existsSync(single)) {
    const file = openSafetensors(single);
    return withPackedLayers(weights([file], new Map(file.names.map((name) => [name, file]))));
  }
  const index = join(folder, WEIGHTS_INDEX);
  if (existsSync(index)) return withPackedLayers(openShards(folder, index));
  const names = readdirSync(folder);
  if (names.includes(GGUF_FILE)) return openFromGguf(folder);
  throw noWeights(folder, names);
}

/** Names of the weight files of a model folder. @throws BidoraError as `openWeights` */
export function weightFileNames(folder: string): string[] {
  const found = openWeights(folder);
  found.close();
  return found.files.map((path) => basename(path));
}

function openFromGguf(folder: string): Weights {
  checkSource(folder);
  const file = openGgufWeights(join(folder, GGUF_FILE));
  return weights([file], new Map(file.names.map((name) => [name, file])));
}

function openShards(folder: string, index: string): Weights {
  const map = readWeightMap(index);
  const shards = new Map<string, SafetensorsFile>();
  try {
    for (const name of new Set(map.values())) shards.set(name, openShard(folder, index, name));
    return weights(
      [...shards.values()],
      new Map(Array.from(map, ([name, file]) => [name, holder(index, shards.get(file)!, name)])),
    );
  } catch (error) {
    for (const shard of shards.values()) shard.close();
    throw error;
  }
}

function openShard(folder: string, index: string, name: string): SafetensorsFile {
  if (existsSync(join(folder, name))) return openSafetensors(join(folder, name));
  throw new BidoraError("WEIGHTS", `${index} names the shard ${name}, which is missing; fetch or copy it too.`);
}

function holder(index: string, shard: SafetensorsFile, name: string): SafetensorsFile {
  if (shard.has(name)) return shard;
  throw new BidoraError("WEIGHTS", `${index} says that ${shard.path} has the tensor '${name}', but it does not.`);
}

type WeightFile = Pick<SafetensorsFile, "path" | "info" | "readBytes" | "close"> &
  Pick<Weights, "readTensor"> &
  Partial<Pick<Weights, "packed">>;

function weights(files: readonly WeightFile[], holders: ReadonlyMap<string, WeightFile>): Weights {
  const of = (name: string): WeightFile => {
    const file = holders.get(name);
    if (!file)
      throw new BidoraError("WEIGHTS", `There is no tensor '${name}' in ${files.map((f) => f.path).join(", ")}.`);
    return file;
  };
  return {
    files: files.map((file) => file.path),
    names: [...holders.keys()],
    has: (name) => holders.has(name),
    info: (name) => of(name).info(name),
    readBytes: (name) => of(name).readBytes(name),
    readTensor: (name, ...how) => of(name).readTensor(name, ...how),
    packed: (name) => holders.get(name)?.packed?.(name),
    close: () => {
      for (const file of files) file.close();
    },
  };
}
