import { BidoraError, checkArguments, fullMatch, groupAt } from "../../base/index.js";
import { Embedding, Linear, type Module, OutputLinear } from "../nn/index.js";
import { aModule, aTargetedConfig, type TargetedConfig, type TargetModules } from "./adapterConfig.js";

/**
 * The modules that get an adapter, by path.
 * @throws BidoraError `TARGET` if the configuration matches no module, or one that cannot have an adapter
 */
export function findTargets(model: Module, config: TargetedConfig): Map<string, Linear | Embedding> {
  const found = new Map<string, Linear | Embedding>();
  for (const [path, module] of model.baseModules()) {
    if (!isTarget(path, module, config)) continue;
    if (!(module instanceof Linear || module instanceof Embedding)) {
      throw new BidoraError(
        "TARGET",
        `target_modules matches ${path}, which is neither a linear layer nor an embedding: name the layers inside it.`,
      );
    }
    found.set(path, module);
  }
  if (found.size === 0) throw new BidoraError("TARGET", noTargetMessage(model, config.targetModules));
  return found;
}

function isTarget(path: string, module: Module, config: TargetedConfig): boolean {
  if (path === "" || isSaved(path, config.modulesToSave)) return false;
  if (config.excludeModules !== undefined && matches(path, config.excludeModules)) return false;
  if (isAllLinear(config.targetModules)) return module instanceof Linear && !(module instanceof OutputLinear);
  if (!matches(path, config.targetModules)) return false;
  // As in PEFT, layersToTransform does not restrict a full path or a regular expression.
  if (typeof config.targetModules === "string" || config.targetModules.includes(path)) return true;
  return isInLayers(path, config);
}

export function isAllLinear(targets: TargetModules): boolean {
  return typeof targets === "string" && targets.toLowerCase() === "all-linear";
}

/**
 * True when `path` is, or lies in, a module of `modules_to_save`. PEFT compares the ends of paths and ignores dots, so that
 * `classifier` matches `pre_classifier` too.
 */
export function isSaved(path: string, modulesToSave: readonly string[]): boolean {
  const names = path.split(".");
  return names.some((_, depth) => {
    const ancestor = names.slice(0, depth + 1).join(".");
    return modulesToSave.some((name) => ancestor.endsWith(name));
  });
}

function matches(path: string, targets: TargetModules): boolean {
  if (typeof targets === "string") return fullMatch(targets, path);
  return targets.some((target) => path === target || path.endsWith(`.${target}`));
}

function isInLayers(path: string, { layersToTransform, layersPattern }: TargetedConfig): boolean {
  if (!layersToTransform || layersToTransform.length === 0) return true;
  const patterns = layersPattern?.length ? layersPattern.map((name) => `(?:^|.*?\\.)${name}`) : [".*?\\.[^.]*"];
  for (const pattern of patterns) {
    const layer = groupAt(`^${pattern}\\.(?P<layer>\\d+)\\.`, path, "layer");
    if (layer !== undefined) return layersToTransform.includes(Number(layer));
  }
  return false;
}

function noTargetMessage(model: Module, targets: TargetModules): string {
  const names = new Set<string>();
  for (const [path, module] of model.baseModules())
    if (module instanceof Linear) names.add(path.split(".").at(-1) ?? path);
  const given = typeof targets === "string" ? targets : targets.join(",");
  return `No module matches the target modules "${given}"; the model's linear layers are called ${[...names].join(", ")}.`;
}

/** The position of an adapted layer, and the size of its weight. */
export interface SlotBase {
  readonly path: string;
  /** The shape [out, in] of the weight's change: that of a linear layer's weight, or of an embedding's transposed table. */
  readonly out: number;
  readonly in: number;
}

/** A layer that gets an adapter. */
export type Slot =
  | (SlotBase & { readonly kind: "linear"; readonly layer: Linear })
  | (SlotBase & { readonly kind: "embedding"; readonly layer: Embedding });

/**
 * The layers that match the target modules, in the model's order.
 * @throws BidoraError `TARGET` for none, or for one that cannot have an adapter; `PATTERN`
 */
export function targetSlots(model: Module, config: TargetedConfig): Slot[] {
  checkArguments("targetSlots", ["model", model, aModule], ["config", config, aTargetedConfig]);
  return Array.from(findTargets(model, config), ([path, layer]) => slotOf(path, layer));
}

function slotOf(path: string, layer: Linear | Embedding): Slot {
  if (layer instanceof Embedding) return { path, kind: "embedding", layer, out: layer.dim, in: layer.count };
  return { path, kind: "linear", layer, out: layer.outFeatures, in: layer.inFeatures };
}

/**
 * The same for a method that supports linear layers only.
 * @param what that restriction, as the beginning of a sentence
 * @throws BidoraError `ADAPTER_CONFIG` naming an embedding among them
 */
export function linearSlots(model: Module, config: TargetedConfig, what: string): Slot[] {
  const slots = targetSlots(model, config);
  const embedding = slots.find(({ kind }) => kind === "embedding");
  if (!embedding) return slots;
  throw new BidoraError("ADAPTER_CONFIG", `${what}: exclude the embedding ${embedding.path}.`);
}

/**
 * Refuses layers whose weight model files store as [in, out], such as GPT-2's, for a method that PEFT has for `nn.Linear` alone.
 * @throws BidoraError `ADAPTER_CONFIG` naming the first
 */
export function refuseConv1D(slots: readonly Slot[], method: string): void {
  const turned = slots.find(({ layer }) => layer.weight.isStoredTransposed);
  if (!turned) return;
  throw new BidoraError(
    "ADAPTER_CONFIG",
    `${method} goes to nn.Linear layers only, as in PEFT, and ${turned.path} is a Conv1D: exclude it, or use lora or dora.`,
  );
}
