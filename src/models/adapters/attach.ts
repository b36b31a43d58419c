import { BidoraError, checkArguments, someOf } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import { Embedding, isWithin, Linear, type Module, OutputLinear, PackedWeight, type Parameter } from "../nn/index.js";
import type { AdaptedModel } from "./adapted.js";
import { type AdapterConfig, aModule, aSavedAdapter, WITH_GENERATOR } from "./adapterConfig.js";
import { inject, plannedShapes, planOf } from "./inject.js";
import type { SavedAdapter } from "./peft/adapterFolder.js";
import { isSaved } from "./targets.js";

type Shapes = ReadonlyMap<string, readonly number[]>;
type Tensors = ReadonlyMap<string, torch.Tensor>;

/** How many names an error lists. */
const LISTED = 3;

const NO_NEW_MODULES: NewModules = { initialized: [], trainedModules: [] };

/**
 * Adds a saved adapter to a model, for inference or further training. The model changes only if everything fits.
 * @param options.newModules newly initialized layers: those that the adapter has no weights for are trained and saved too
 * @throws BidoraError `ADAPTER_MISFIT` naming the tensors that are missing, unexpected or of another shape; `NOT_FINITE`, `TARGET`, `PATTERN`
 */
export function attachAdapter(
  model: Module,
  saved: SavedAdapter,
  options: { readonly generator: torch.Generator; readonly dtype?: torch.DType; readonly newModules?: NewModules },
): AdaptedModel<AdapterConfig> {
  checkArguments(
    "attachAdapter",
    ["model", model, aModule],
    ["saved", saved, aSavedAdapter],
    ["options", options, WITH_GENERATOR],
  );
  const { generator, dtype, newModules = NO_NEW_MODULES } = options;
  requireBase(model, saved);
  const config = withNewModules(saved.config, newModules);
  const layers = newLayers(newModules, saved.config);
  const isNew = (name: string) => layers.some((path) => isWithin(name, path));
  const { tensors, tables } = fitted(model, config, saved.tensors, isNew);
  for (const table of tables) checkSameTable(table);
  for (const [name, tensor] of tensors) checkFinite(name, tensor);
  return inject(model, config, { generator, ...(dtype && { dtype }), saved: tensors });
}

/** An adapter that LoftQ started makes up for the rounding of its base's format. */
function requireBase(model: Module, { metadata }: SavedAdapter): void {
  if (metadata?.initLoraWeights !== "loftq") return;
  const { baseDtype } = metadata;
  const isHeld = ([, { values }]: readonly [string, Parameter]) =>
    values instanceof PackedWeight && values.format.name === baseDtype;
  if ([...model.baseParameters()].some(isHeld)) return;
  throw misfit(
    `LoftQ started it on a base packed as ${baseDtype}, and the model is not: load the model with baseDtype "${baseDtype}".`,
  );
}

/**
 * Checks the names and shapes of a saved adapter's tensors against a model, whose parameters may be empty.
 * @throws BidoraError as `attachAdapter`
 */
export function checkFit(model: Module, { config, tensors }: SavedAdapter): void {
  fitted(model, config, tensors, () => false);
}

/** The adapter's tensors whose names and shapes fit the model, and those that must equal the model's own. */
function fitted(
  model: Module,
  config: AdapterConfig,
  saved: Tensors,
  isNew: (name: string) => boolean,
): { readonly tensors: Tensors; readonly tables: readonly SavedTable[] } {
  const expected = plannedShapes(planOf(model, config));
  const tables = tablesOf(model, saved, expected);
  const tensors = new Map(saved);
  for (const { name } of tables) tensors.delete(name);
  checkNames(expected, tensors, isNew);
  for (const [name, shape] of expected) if (!isNew(name)) checkShape(name, tensors.get(name)?.shape ?? [], shape);
  return { tensors, tables };
}

function checkNames(expected: Shapes, tensors: Tensors, isNew: (name: string) => boolean): void {
  const missing = [...expected.keys()].filter((name) => !tensors.has(name) && !isNew(name));
  const surplus = [...tensors.keys()].filter((name) => !expected.has(name));
  if (surplus.length > 0) {
    throw misfit(
      `it has tensors that belong to no module of the model: ${someOf(surplus, LISTED)}; is it for another base model, or task?`,
    );
  }
  if (missing.length > 0) throw misfit(`it lacks tensors that its configuration promises: ${someOf(missing, LISTED)}.`);
}

function checkShape(name: string, found: readonly number[], wanted: readonly number[]): void {
  if (torch.sameShape(found, wanted)) return;
  throw misfit(
    `${name} has shape [${found.join(", ")}], but the model needs [${wanted.join(", ")}]; is it for another base model, or task?`,
  );
}

function checkFinite(name: string, tensor: torch.Tensor): void {
  if (torch.isAllFinite(tensor)) return;
  throw new BidoraError(
    "NOT_FINITE",
    `The adapter's own tensor ${name} holds values that are not finite numbers: take an undamaged copy of the adapter.`,
  );
}

/** A tensor of the model that the adapter's file has too. */
interface SavedTable {
  readonly name: string;
  readonly saved: torch.Tensor;
  readonly own: Parameter;
  readonly what: "embedding table" | "bias";
}

/** PEFT may save whole embedding tables with the adapter, and a bias that no loss depends on. */
function tablesOf(model: Module, tensors: Tensors, expected: Shapes): SavedTable[] {
  const found: SavedTable[] = [];
  const find = (path: string, key: string, own: Parameter, what: SavedTable["what"]): void => {
    for (const name of [`${path}.${key}`, `${path}.base_layer.${key}`]) {
      const saved = tensors.get(name);
      if (!saved || expected.has(name)) continue;
      checkShape(name, saved.shape, own.shape);
      found.push({ name, saved, own, what });
    }
  };
  for (const [path, module] of model.baseModules()) {
    if (module instanceof Embedding || module instanceof OutputLinear)
      find(path, "weight", module.weight, "embedding table");
    if (module instanceof Linear && module.isUnused && module.bias) find(path, "bias", module.bias, "bias");
  }
  return found;
}

/** A table that equals the model's is ignored. Another one means that the base model was changed, which an adapter must not do silently. */
function checkSameTable({ name, saved, own, what }: SavedTable): void {
  if (torch.scope(() => isSameTable(saved, own.values.dense()))) return;
  throw misfit(
    `it contains its own ${what}, ${name}, which differs from the model's: merge the adapter in PEFT instead.`,
  );
}

/** Equal at the precision of the less precise dtype. */
function isSameTable(a: torch.Tensor, b: torch.Tensor): boolean {
  const dtype = a.dtype === "float32" || a.dtype === "float64" ? b.dtype : a.dtype;
  return torch.equal(torch.castTo(a, dtype), torch.castTo(b, dtype));
}

function misfit(why: string): BidoraError {
  return new BidoraError("ADAPTER_MISFIT", `The adapter does not fit the model: ${why}`);
}

/** Layers of a model that are newly initialized, since the checkpoint has no weights for them. */
export interface NewModules {
  /** Paths of these layers. */
  readonly initialized: readonly string[];
  /** Paths of the modules that contain them and are trained and saved as a whole. */
  readonly trainedModules: readonly string[];
}

/** The newly initialized layers that a saved adapter has no weights for either. */
export function newLayers({ initialized }: NewModules, { modulesToSave }: AdapterConfig): readonly string[] {
  return initialized.filter((path) => !isSaved(path, modulesToSave));
}

/** The adapter's settings, with the modules of new layers added to `modulesToSave`. */
function withNewModules<Config extends AdapterConfig>(config: Config, model: NewModules): Config {
  const layers = newLayers(model, config);
  const added = model.trainedModules.filter((module) => layers.some((path) => isWithin(path, module)));
  const kept = config.modulesToSave.filter((path) => !added.some((module) => isWithin(path, module)));
  return { ...config, modulesToSave: [...kept, ...added] };
}
