// Shapes: D, W' and W0 [out, in]; U [out, k], S [k], Vᵀ [k, in] with k = min(out, in).

import { BidoraError, exactPattern } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import type { LowRankFactors } from "../../torch/operators/index.js";
import { type AdaptedModel, type AdaptedModule, savedTensors } from "./adapted.js";
import type { AdapterConfig, Pattern, TargetedConfig } from "./adapterConfig.js";
import { settingsOfAdapter } from "./adapterMethods.js";
import { B_BIAS, LOW_RANK_NAMES } from "./lowRankLayers.js";
import { mergedWeight } from "./merge.js";
import { type LoraConfig, loraConfig } from "./methods/lora.js";
import { doubled, isDoubled } from "./starts/doubled.js";

/** How closely a low-rank update approximates one module's change. */
export interface ModuleError {
  readonly path: string;
  readonly rank: number;
  /** ‖D − B·A‖ / ‖D‖ (Frobenius), or 0 if nothing changed. */
  readonly relativeError: number;
}

/** An adapter converted to a plain LoRA of scale 1. */
export interface LoraApproximation {
  readonly config: LoraConfig;
  /** As in `SavedAdapter`; the tensors of the head and the biases are the adapter's own. */
  readonly tensors: ReadonlyMap<string, torch.Tensor>;
  readonly modules: readonly ModuleError[];
  /** Of all modules' updates together. */
  readonly relativeError: number;
}

interface Approximated {
  readonly a: torch.Tensor;
  readonly b: torch.Tensor;
  readonly rank: number;
  /** ‖D‖² and ‖D − B·A‖². */
  readonly squaredNorm: number;
  readonly squaredError: number;
}

/**
 * The closest plain LoRA, module by module: B·A is D = W' − W0 where the method has D as such a product, else the truncated SVD of D. A LoRA
 * whose start took a part out of the base is exactly one of twice the rank, if `rank` leaves room for it.
 * @throws BidoraError `EXPORT` for an adapter without layers, `MERGE` for one that can't be merged
 * @param rank upper bound; by default each module keeps its own rank. No rank exceeds the smaller dimension of the weight.
 */
export function toLora(adapted: AdaptedModel<AdapterConfig>, rank?: number): LoraApproximation {
  if (adapted.modules.length === 0)
    throw new BidoraError(
      "EXPORT",
      "The adapter changes no layer's weight, so it cannot be converted to a LoRA: merge it instead.",
    );
  if (isPlainDoubled(adapted, rank)) return ownDoubled(adapted);
  const whole = withoutAdapters(adapted);
  const loraBias = adapted.modules.some((module) => biasUpdateOf(module) !== undefined);
  const results = adapted.modules.map((module) => {
    const result = approximate(module, rank ?? module.adapter.rank);
    addLora(whole, module, result);
    if (loraBias) whole.set(`${module.path}.${B_BIAS}`, biasUpdateOf(module) ?? noChange(module));
    return { path: module.path, ...result };
  });
  const total = results.reduce((sum, { squaredNorm }) => sum + squaredNorm, 0);
  const lost = results.reduce((sum, { squaredError }) => sum + squaredError, 0);
  return {
    config: configFor(adapted.config, { modules: results, rank, loraBias }),
    tensors: whole,
    modules: results.map((result) => ({
      path: result.path,
      rank: result.rank,
      relativeError: relative(result.squaredError, result.squaredNorm),
    })),
    relativeError: relative(lost, total),
  };
}

const isPlainDoubled = (adapted: AdaptedModel<AdapterConfig>, rank = Infinity): boolean =>
  adapted.config.method === "lora" &&
  isDoubled(adapted) &&
  adapted.modules.every(({ adapter }) => adapter.rank <= rank);

function ownDoubled(adapted: AdaptedModel<AdapterConfig>): LoraApproximation {
  const { config, tensors } = doubled({ config: adapted.config, tensors: savedTensors(adapted) }, adapted);
  const modules = adapted.modules.map(({ path, adapter }) => ({ path, rank: adapter.rank, relativeError: 0 }));
  return { config: config as LoraConfig, tensors, modules, relativeError: 0 };
}

function approximate(module: AdaptedModule, wanted: number): Approximated {
  const { update } = module.adapter;
  return update && update.a.shape[0]! <= wanted ? exactly(update) : bySvd(module, wanted);
}

/** The update itself, with its scale in B. */
const exactly = ({ a, b, scale }: LowRankFactors): Approximated =>
  torch.noGrad(() =>
    torch.scope(() => {
      const [wideA, wideB] = [torch.castTo(a, "float64"), torch.mulScalar(torch.castTo(b, "float64"), scale)];
      const [ofA, ofB] = [torch.mm(wideA, torch.t(wideA)), torch.mm(torch.t(wideB), wideB)]; // r,r
      return {
        a: torch.clone(torch.contiguous(torch.castTo(wideA, "float32"))),
        b: torch.contiguous(torch.castTo(wideB, "float32")),
        rank: a.shape[0]!,
        squaredNorm: torch.sum(torch.mul(ofA, ofB)).item(),
        squaredError: 0,
      };
    }),
  );

function bySvd(module: AdaptedModule, wanted: number): Approximated {
  return torch.noGrad(() =>
    torch.scope(() => {
      const merged = mergedWeight(module, "float64");
      const difference = torch.sub(merged, module.layer.weight.values.dense("float64"));
      const update = module.kind === "embedding" ? torch.t(difference) : difference;
      const [u, s, vh] = torch.linalgSvd(update, false);
      const rank = Math.min(wanted, s.numel);
      const root = torch.sqrt(torch.narrow(s, 0, 0, rank));
      const b = torch.mul(torch.narrow(u, 1, 0, rank), root);
      const a = torch.mul(torch.narrow(vh, 0, 0, rank), torch.unsqueeze(root, 1));
      const squares = torch.square(s);
      const dropped = torch.narrow(squares, 0, rank, s.numel - rank);
      return {
        a: torch.contiguous(torch.castTo(a, "float32")),
        b: torch.contiguous(torch.castTo(b, "float32")),
        rank,
        squaredNorm: torch.sum(squares).item(),
        squaredError: torch.sum(dropped).item(),
      };
    }),
  );
}

/** The trained and saved tensors that belong to the model itself. */
function withoutAdapters(adapted: AdaptedModel): Map<string, torch.Tensor> {
  const added = addedNames(adapted);
  return new Map([...savedTensors(adapted)].filter(([name]) => !added.has(name)));
}

/** The names of the tensors that adapters added to the model. */
function addedNames({ modules, shared }: AdaptedModel): ReadonlySet<string> {
  const own = modules.flatMap(({ path, adapter }) =>
    Array.from(adapter.ownParameters.keys(), (name) => `${path}.${name}`),
  );
  return new Set([...own, ...(shared?.ownParameters.keys() ?? [])]);
}

/** A module's new tensors A and B. */
function addLora(tensors: Map<string, torch.Tensor>, module: AdaptedModule, { a, b }: Approximated): void {
  const names = LOW_RANK_NAMES[module.kind];
  tensors.set(`${module.path}.${names.a}`, a);
  tensors.set(`${module.path}.${names.b}`, b);
}

/** In a LoRA with `lora_bias` every layer has one. */
const noChange = ({ out, adapter }: AdaptedModule): torch.Tensor => torch.zeros([out], { dtype: adapter.dtype });

const biasUpdateOf = ({ adapter, layer }: AdaptedModule): torch.Tensor | undefined =>
  adapter.biasUpdate(layer, adapter.dtype);

/** alpha = rank in every module, so that the scale is 1 with either of LoRA's rules. */
function configFor(
  config: AdapterConfig,
  found: {
    readonly modules: readonly { path: string; rank: number }[];
    readonly rank: number | undefined;
    readonly loraBias: boolean;
  },
): LoraConfig {
  const { modules, loraBias } = found;
  const own = settingsOfAdapter(config).rank;
  const rank = found.rank ?? (modules.find((module) => module.rank === own) ?? modules[0])?.rank ?? 1;
  const others = modules.filter((module) => module.rank !== rank);
  const pattern: Pattern = Object.fromEntries(others.map((module) => [exactPattern(module.path), module.rank]));
  const { targetModules, excludeModules, layersToTransform, layersPattern, bias, modulesToSave } =
    config as TargetedConfig;
  return loraConfig({
    ...{ targetModules, excludeModules, layersToTransform, layersPattern, bias, modulesToSave },
    rank,
    alpha: rank,
    rankPattern: pattern,
    alphaPattern: pattern,
    loraBias,
  });
}

function relative(squaredError: number, squaredNorm: number): number {
  return squaredNorm === 0 ? 0 : Math.sqrt(squaredError / squaredNorm);
}

/** The low-rank update of one layer: scale · B·A. */
export interface LowRankUpdate extends Pick<AdaptedModule, "path" | "kind"> {
  readonly a: torch.Tensor;
  readonly b: torch.Tensor;
  readonly rank: number;
  readonly scale: number;
}

export interface LowRankUpdates {
  readonly updates: readonly LowRankUpdate[];
  readonly modules: readonly ModuleError[];
  /** Of all modules' updates together. */
  readonly relativeError: number;
}

/**
 * The low-rank updates of an adapter: its own if it has them and `rank` is not lower than one of its ranks, otherwise those of `toLora`.
 * @throws BidoraError as `toLora`
 */
export function lowRankUpdates(adapted: AdaptedModel<AdapterConfig>, rank?: number): LowRankUpdates {
  const own = ownUpdates(adapted);
  const isWhole = own.length > 0 && own.length === adapted.modules.length;
  if (isWhole && own.every((update) => rank === undefined || update.rank <= rank)) {
    return { updates: own, modules: own.map(({ path, rank }) => ({ path, rank, relativeError: 0 })), relativeError: 0 };
  }
  const { tensors, modules, relativeError } = toLora(adapted, rank);
  const updates = adapted.modules.map(({ path, kind }) => {
    const { a, b } = LOW_RANK_NAMES[kind];
    const [tensorA, tensorB] = [tensors.get(`${path}.${a}`)!, tensors.get(`${path}.${b}`)!];
    return { path, kind, a: tensorA, b: tensorB, rank: tensorA.shape[0]!, scale: 1 };
  });
  return { updates, modules, relativeError };
}

const ownUpdates = ({ modules }: AdaptedModel): LowRankUpdate[] =>
  modules.flatMap(({ path, kind, adapter: { update } }) =>
    update ? [{ path, kind, ...update, rank: update.a.shape[0]! }] : [],
  );

/** The names of the trained tensors that are not part of an update: biases, fully trained modules, and `lora_bias`. */
export function trainedOutsideUpdates(adapted: AdaptedModel): string[] {
  const added = addedNames(adapted);
  const biases = adapted.modules.filter((module) => biasUpdateOf(module) !== undefined);
  return [
    ...[...savedTensors(adapted).keys()].filter((name) => !added.has(name)),
    ...biases.map(({ path }) => `${path}.lora_B.bias`),
  ];
}
