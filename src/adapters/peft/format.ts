import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { BidoraError } from "../../common/errors.js";
import { writeFileAtomic } from "../../io/atomic.js";
import { readJsonObject } from "../../io/json.js";
import { saveSafetensors } from "../../io/safetensorsWriter.js";
import { castTo } from "../../nn/index.js";
import * as torch from "../../torch/index.js";
import type { InjectedConfig } from "../config.js";
import { MAGNITUDE } from "../slots.js";
import { isAllLinear } from "../targets.js";
import { type AdapterOrigin, type PeftConfig, parsePeftConfig, renderPeftConfig } from "./config.js";
import { readSideFile, SIDE_FILE, type SideFacts, type SideFile, writeSideFile } from "./sideFile.js";
import { adaptedPaths, PEFT_PREFIX, readAdapterTensors } from "./tensors.js";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";
/** Holds magnitudes along "in", which PEFT does not have: under PEFT's file name they would be misread. */
export const OWN_WEIGHTS = "bidora_adapter.safetensors";

/** An adapter as it lies on disk. */
export interface SavedAdapter extends AdapterOrigin {
  readonly config: InjectedConfig;
  /** By name without `base_model.model.`. */
  readonly tensors: ReadonlyMap<string, torch.Tensor>;
  /** What this program knows of it; undefined for an adapter from elsewhere. */
  readonly side: SideFacts | undefined;
}

/** True for a folder with an adapter in it. */
export function isAdapterFolder(folder: string): boolean {
  return existsSync(join(folder, ADAPTER_CONFIG)) || existsSync(join(folder, OWN_WEIGHTS));
}

/**
 * Reads an adapter that PEFT or this program saved.
 * @throws BidoraError `ADAPTER` for a folder that lacks something or contradicts itself, `ADAPTER_CONFIG`, `SIDE_FILE`,
 *   `SAFETENSORS`, `JSON`
 */
export async function readAdapter(folder: string): Promise<SavedAdapter> {
  const side = existsSync(join(folder, SIDE_FILE)) ? readSideFile(folder) : undefined;
  const { targetsFromTensors, config, ...origin } = readConfig(folder, side);
  const tensors = readAdapterTensors(weightsPath(folder, config));
  checkMagnitudes(folder, config, tensors);
  const targetModules = targetsFromTensors ? adaptedPaths(tensors.keys()) : config.targetModules;
  return { ...origin, config: { ...config, targetModules }, tensors, side: side && factsOf(side) };
}

/**
 * Writes an adapter: adapter_model.safetensors and adapter_config.json as PEFT reads them, and bidora.json where there is
 * something to say. Magnitudes along "in" go into files of this program's own instead.
 * @param folder must exist
 */
export function writeAdapter(folder: string, adapter: SavedAdapter): void {
  const { config, tensors, side } = adapter;
  const text = renderPeftConfig(listTargets(config, tensors), adapter, adaptedPaths(tensors.keys()));
  if (isForPeft(config)) {
    saveFloat32(join(folder, ADAPTER_WEIGHTS), tensors);
    writeFileAtomic(join(folder, ADAPTER_CONFIG), text);
    if (side) writeSideFile(folder, { ...side });
    return;
  }
  saveFloat32(join(folder, OWN_WEIGHTS), tensors);
  const { axis, normGradient } = config;
  writeSideFile(folder, { method: "dora", ...side, axis, normGradient, adapterConfig: JSON.parse(text) });
}

/** False for magnitudes along "in", which no PEFT adapter can hold. */
export function isForPeft(config: InjectedConfig): config is Exclude<InjectedConfig, { axis: "in" }> {
  return config.method === "lora" || config.axis === "out";
}

function factsOf({ formatVersion: _version, adapterConfig: _config, ...facts }: SideFile): SideFacts {
  return facts;
}

function readConfig(folder: string, side: SideFile | undefined): PeftConfig {
  const path = join(folder, ADAPTER_CONFIG);
  if (existsSync(path)) return withSide(parsePeftConfig(path, readJsonObject(path)), side);
  if (side?.adapterConfig) {
    return withSide(parsePeftConfig(join(folder, SIDE_FILE), side.adapterConfig), side);
  }
  throw new BidoraError("ADAPTER", noAdapter(folder));
}

function withSide(peft: PeftConfig, side: SideFile | undefined): PeftConfig {
  if (peft.config.method === "lora" || !side) return peft;
  const { axis = "out", normGradient = "detached" } = side;
  return { ...peft, config: { ...peft.config, axis, normGradient } };
}

function noAdapter(folder: string): string {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    return `${folder} is not a folder; expected an adapter's folder, with ${ADAPTER_CONFIG} and ${ADAPTER_WEIGHTS}.`;
  }
  const inside = readdirSync(folder).find((name) => existsSync(join(folder, name, ADAPTER_CONFIG)));
  const hint = inside === undefined ? "" : `; there is an adapter in ${join(folder, inside)}`;
  return `${folder} has no ${ADAPTER_CONFIG}; expected an adapter's folder${hint}.`;
}

function weightsPath(folder: string, config: InjectedConfig): string {
  const path = join(folder, isForPeft(config) ? ADAPTER_WEIGHTS : OWN_WEIGHTS);
  if (existsSync(path)) return path;
  const pickle = readdirSync(folder).find((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
  const hint = pickle
    ? `: ${pickle} is a pickle, which can run code and is refused; load it in PEFT once and save it again with save_pretrained(OUT), which writes safetensors`
    : "; copy it there too";
  throw new BidoraError("ADAPTER", `${folder} has no ${path.slice(folder.length + 1)}${hint}.`);
}

/** Magnitudes and `use_dora` must say the same: without them a DoRA adapter would be a wrong LoRA, and the other way round. */
function checkMagnitudes(folder: string, config: InjectedConfig, tensors: ReadonlyMap<string, torch.Tensor>): void {
  const magnitude = [...tensors.keys()].find((name) => name.endsWith(`.${MAGNITUDE}`));
  if (config.method === "lora" && magnitude !== undefined) {
    throw new BidoraError(
      "ADAPTER",
      `${folder}: use_dora is false, but there is a ${magnitude}: one of them is wrong.`,
    );
  }
  const bare = adaptedPaths(tensors.keys()).find((path) => !tensors.has(`${path}.${MAGNITUDE}`));
  if (config.method === "dora" && bare !== undefined) {
    throw new BidoraError(
      "ADAPTER",
      `${folder}: use_dora is true, but ${bare} has no ${MAGNITUDE}: one of them is wrong.`,
    );
  }
}

/** PEFT, too, writes what `all-linear` stood for: another program could take it for other modules. */
function listTargets(config: InjectedConfig, tensors: ReadonlyMap<string, torch.Tensor>): InjectedConfig {
  return isAllLinear(config.targetModules) ? { ...config, targetModules: adaptedPaths(tensors.keys()) } : config;
}

function saveFloat32(path: string, tensors: ReadonlyMap<string, torch.Tensor>): void {
  torch.noGrad(() =>
    torch.scope(() => {
      const named = Array.from(tensors, ([name, tensor]) => [PEFT_PREFIX + name, castTo(tensor, "float32")] as const);
      const broken = named.find(([, tensor]) => !torch.isAllFinite(tensor));
      if (broken) throw notFinite(path, broken[0]);
      saveSafetensors(path, named, { format: "pt" });
    }),
  );
}

function notFinite(path: string, name: string): BidoraError {
  return new BidoraError("NOT_FINITE", `${path} was not written: ${name} holds something other than finite numbers.`);
}
