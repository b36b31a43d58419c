import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  aText,
  BidoraError,
  CONFIG_FILE,
  checkArguments,
  statOf,
} from "../../../base/index.js";
import { ADAPTER_METADATA, OWN_WEIGHTS, readJsonObject, writeFileAtomic } from "../../../base/records/index.js";
import { isInteger, openSafetensors, saveSafetensors } from "../../../formats/safetensors/index.js";
import type { Tensor } from "../../../torch/index.js";
import * as torch from "../../../torch/index.js";
import { type AdapterConfig, aSavedAdapter, type TargetedConfig } from "../adapterConfig.js";
import { methodOf } from "../adapterMethods.js";
import {
  type AdapterMetadata,
  metadataOf,
  readAdapterMetadata,
  type StoredMetadata,
  writeAdapterMetadata,
} from "../metadata.js";
import type { AdapterCodec } from "../method.js";
import { isAllLinear } from "../targets.js";
import { type AdapterOrigin, type PeftConfig, parsePeftConfig, renderPeftConfig } from "./peftConfig.js";

/** An adapter as saved on disk. */
export interface SavedAdapter extends AdapterOrigin {
  readonly config: AdapterConfig;
  /** By name without `base_model.model.`. */
  readonly tensors: ReadonlyMap<string, torch.Tensor>;
  /** The contents of bidora.json; undefined for an adapter that another program saved. */
  readonly metadata: AdapterMetadata | undefined;
}

/** Whether a folder has an adapter in it. */
export function isAdapterFolder(folder: string): boolean {
  return existsSync(join(folder, ADAPTER_CONFIG)) || existsSync(join(folder, OWN_WEIGHTS));
}

/**
 * Reads an adapter that PEFT or bidora saved.
 * @throws BidoraError `ADAPTER` for a folder that lacks something or contradicts itself, `ADAPTER_CONFIG`, `SIDE_FILE`,
 *   `SAFETENSORS`, `JSON`
 */
export async function readAdapter(folder: string): Promise<SavedAdapter> {
  checkArguments("readAdapter", ["folder", folder, aText]);
  const metadata = readAdapterMetadata(folder);
  const { targetsFromTensors, config, ...origin } = readConfig(folder, metadata);
  const { codec } = methodOf(config);
  const tensors = readAdapterTensors(weightsPath(folder, config), codec);
  const paths = adaptedPaths(tensors.keys(), codec);
  const wrong = codec.contradiction?.(config, tensors, paths);
  if (wrong !== undefined) throw new BidoraError("ADAPTER", `${folder}: ${wrong}.`);
  const targets = targetsFromTensors ? { targetModules: paths } : {};
  return { ...origin, config: { ...config, ...targets }, tensors, metadata: metadata && metadataOf(metadata) };
}

/**
 * Writes an adapter: adapter_model.safetensors and adapter_config.json as PEFT reads them, and bidora.json if there is metadata.
 * Adapters that PEFT does not support go into bidora's own files instead.
 * @param folder must exist
 */
export function writeAdapter(folder: string, adapter: SavedAdapter): void {
  checkArguments("writeAdapter", ["folder", folder, aText], ["adapter", adapter, aSavedAdapter]);
  const { config, tensors, metadata } = adapter;
  const { codec } = methodOf(config);
  const paths = adaptedPaths(tensors.keys(), codec);
  const text = renderPeftConfig(withListedTargets(config, paths), adapter, paths);
  const facts = codec.sideFacts?.(config);
  if (whyNotPeft(config) === undefined) {
    saveFloat32(join(folder, ADAPTER_WEIGHTS), adapter);
    writeFileAtomic(join(folder, ADAPTER_CONFIG), text);
    if (metadata) writeAdapterMetadata(folder, { ...metadata, ...facts });
    return;
  }
  saveFloat32(join(folder, OWN_WEIGHTS), adapter);
  writeAdapterMetadata(folder, { method: config.method, ...metadata, ...facts, adapterConfig: JSON.parse(text) });
}

/** Lists the modules that `all-linear` matched, as PEFT does: another program could match other modules. */
function withListedTargets(config: AdapterConfig, paths: readonly string[]): AdapterConfig {
  const { targetModules } = config as Partial<TargetedConfig>;
  const isListed = targetModules === undefined || !isAllLinear(targetModules);
  return isListed ? config : { ...config, ...{ targetModules: paths } };
}

/** The reason that PEFT cannot load such an adapter; undefined if it can. */
export function whyNotPeft(config: AdapterConfig): string | undefined {
  return methodOf(config).codec.whyNotPeft?.(config);
}

function readConfig(folder: string, metadata: StoredMetadata | undefined): PeftConfig {
  const path = join(folder, ADAPTER_CONFIG);
  if (existsSync(path)) return parsePeftConfig(path, readJsonObject(path), metadata);
  if (metadata?.adapterConfig) return parsePeftConfig(join(folder, ADAPTER_METADATA), metadata.adapterConfig, metadata);
  throw new BidoraError("ADAPTER", noAdapter(folder));
}

function noAdapter(folder: string): string {
  if (!statOf(folder)?.isDirectory()) {
    return `${folder} is not a folder; expected an adapter's folder, with ${ADAPTER_CONFIG} and ${ADAPTER_WEIGHTS}.`;
  }
  if (existsSync(join(folder, CONFIG_FILE)))
    return `${folder} holds a model, not an adapter: pass it as the model (--method full writes a complete model, without ${ADAPTER_CONFIG}).`;
  const inside = readdirSync(folder).find((name) => existsSync(join(folder, name, ADAPTER_CONFIG)));
  const hint = inside === undefined ? "" : `; there is an adapter in ${join(folder, inside)}`;
  return `${folder} has no ${ADAPTER_CONFIG}; expected an adapter's folder${hint}.`;
}

function weightsPath(folder: string, config: AdapterConfig): string {
  const path = join(folder, whyNotPeft(config) === undefined ? ADAPTER_WEIGHTS : OWN_WEIGHTS);
  if (existsSync(path)) return path;
  const pickle = readdirSync(folder).find((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
  const hint = pickle
    ? `: ${pickle} is a pickle, which can run code and is refused; load it in PEFT once and save it again with save_pretrained(OUT), which writes safetensors`
    : "; copy it there too";
  throw new BidoraError("ADAPTER", `${folder} has no ${path.slice(folder.length + 1)}${hint}.`);
}

function saveFloat32(path: string, { config, tensors }: SavedAdapter): void {
  const { codec } = methodOf(config);
  torch.noGrad(() =>
    torch.scope(() => {
      const named = Array.from(
        tensors,
        ([name, tensor]) => [peftName(name, codec), torch.castTo(tensor, "float32")] as const,
      );
      const broken = named.find(([, tensor]) => !torch.isAllFinite(tensor));
      if (broken) throw notFinite(path, broken[0]);
      saveSafetensors(path, named, { format: "pt" });
    }),
  );
}

function notFinite(path: string, name: string): BidoraError {
  return new BidoraError("NOT_FINITE", `${path} was not written: ${name} contains values that are not finite.`);
}

const PEFT_PREFIX = "base_model.model.";
const SHARED_PREFIX = "base_model.";

type Codec = AdapterCodec<AdapterConfig>;

/**
 * Reads all tensors of an adapter file, by name without `base_model.model.`.
 * @throws BidoraError `SAFETENSORS`, or `ADAPTER` when two tensors have one name
 */
function readAdapterTensors(path: string, codec: Codec): Map<string, Tensor> {
  const file = openSafetensors(path);
  try {
    const tensors = new Map<string, Tensor>();
    for (const key of file.names) {
      const name = plainName(key, codec);
      if (name === undefined) continue;
      if (tensors.has(name)) throw new BidoraError("ADAPTER", `${path} has two tensors for ${name}.`);
      const { dtype } = file.info(key);
      if (isInteger(dtype))
        throw new BidoraError("ADAPTER", `${path}: ${key} has dtype ${dtype}, but weights are floats.`);
      tensors.set(name, file.readTensor(key));
    }
    return tensors;
  } finally {
    file.close();
  }
}

/** The current name of a tensor, whichever version of PEFT wrote it; undefined for a copy that has no effect. */
function plainName(key: string, { currentName, shared = [] }: Codec): string | undefined {
  // With `bias: "all"` PEFT saves a head's biases two times more: as the base has them, and under the wrapper's name.
  if (/\.(original_module|modules_to_save)\./.test(key)) return undefined;
  const own = shared.find((name) => key === SHARED_PREFIX + name);
  if (own !== undefined) return own;
  const name = key.startsWith(PEFT_PREFIX) ? key.slice(PEFT_PREFIX.length) : key;
  return currentName?.(name) ?? name;
}

/** The reverse: the name in PEFT's files. */
function peftName(name: string, { shared = [] }: Codec): string {
  return (shared.includes(name) ? SHARED_PREFIX : PEFT_PREFIX) + name;
}

/** The paths of the modules that the tensors of an adapter belong to, in the order given. */
export function adaptedPaths(names: Iterable<string>, { suffixes }: Codec): string[] {
  const paths = new Set<string>();
  for (const name of names) {
    const suffix = suffixes.find((end) => name.endsWith(`.${end}`));
    if (suffix !== undefined) paths.add(name.slice(0, -suffix.length - 1));
  }
  return [...paths];
}
