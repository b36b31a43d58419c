// Shapes: D, W' and W0 [out, in]; U [out, k], S [k], Vᵀ [k, in] with k = min(out, in).

import { exactPattern } from "../common/patterns.js";
import { castTo } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type AdaptedModel, type AdaptedModule, lowRankOf } from "./adapted.js";
import { type InjectedConfig, type LoraConfig, loraConfig, type Pattern } from "./config.js";
import { mergedWeight } from "./merge.js";
import { B_BIAS, SUFFIXES } from "./slots.js";

/** How well one module's update is kept. */
export interface ModuleError {
  readonly path: string;
  readonly rank: number;
  /** ‖D − B·A‖ / ‖D‖ (Frobenius), 0 where nothing changed. */
  readonly relativeError: number;
}

/** An adapter turned into a plain LoRA of scale 1. */
export interface LoraApproximation {
  readonly config: LoraConfig;
  /** As `SavedAdapter` has them; the head's and the biases' are the adapter's own. */
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
 * The plain LoRA that comes closest: B·A is the truncated SVD of D = W' − W0, module by module.
 * @param rank at most; by default each module keeps its own. No module gets more than its weight's smaller side.
 */
export function toLora(adapted: AdaptedModel<InjectedConfig>, rank?: number): LoraApproximation {
  const whole = new Map(adapted.trained.map(({ name, tensor }) => [name, tensor]));
  const results = adapted.modules.map((module) => {
    const result = approximate(module, rank ?? lowRankOf(module).rank);
    rename(whole, module, result);
    return { path: module.path, ...result };
  });
  const total = results.reduce((sum, { squaredNorm }) => sum + squaredNorm, 0);
  const lost = results.reduce((sum, { squaredError }) => sum + squaredError, 0);
  return {
    config: configFor(adapted.config, results, rank),
    tensors: whole,
    modules: results.map((result) => ({
      path: result.path,
      rank: result.rank,
      relativeError: relative(result.squaredError, result.squaredNorm),
    })),
    relativeError: relative(lost, total),
  };
}

function approximate(module: AdaptedModule, wanted: number): Approximated {
  return torch.noGrad(() =>
    torch.scope(() => {
      const merged = mergedWeight(module, "float64");
      const difference = torch.sub(merged, castTo(module.layer.weight.tensor, "float64"));
      const update = module.kind === "embedding" ? torch.t(difference) : difference;
      const [u, s, vh] = torch.linalgSvd(update, false);
      const rank = Math.min(wanted, s.numel);
      const root = torch.sqrt(torch.narrow(s, 0, 0, rank));
      const b = torch.mul(torch.narrow(u, 1, 0, rank), root);
      const a = torch.mul(torch.narrow(vh, 0, 0, rank), torch.unsqueeze(root, 1));
      const squares = torch.square(s);
      const dropped = torch.narrow(squares, 0, rank, s.numel - rank);
      return {
        a: torch.contiguous(castTo(a, "float32")),
        b: torch.contiguous(castTo(b, "float32")),
        rank,
        squaredNorm: torch.sum(squares).item(),
        squaredError: torch.sum(dropped).item(),
      };
    }),
  );
}

/** Puts the new tensors in the place of the module's own: A and B, B's bias at scale 1, and no magnitude. */
function rename(tensors: Map<string, torch.Tensor>, module: AdaptedModule, { a, b }: Approximated): void {
  const { bBias, scale } = lowRankOf(module);
  for (const name of tensors.keys()) if (name.startsWith(`${module.path}.lora_`)) tensors.delete(name);
  tensors.set(`${module.path}.${SUFFIXES[module.kind].a}`, a);
  tensors.set(`${module.path}.${SUFFIXES[module.kind].b}`, b);
  if (bBias)
    tensors.set(
      `${module.path}.${B_BIAS}`,
      torch.noGrad(() => torch.mulScalar(bBias, scale)),
    );
}

/** alpha = rank in every module, so that the scale is 1 with either of LoRA's rules. */
function configFor(
  config: InjectedConfig,
  modules: readonly { path: string; rank: number }[],
  wanted?: number,
): LoraConfig {
  const rank = wanted ?? config.rank;
  const others = modules.filter((module) => module.rank !== rank);
  const pattern: Pattern = Object.fromEntries(others.map((module) => [exactPattern(module.path), module.rank]));
  return loraConfig({
    ...config,
    rank,
    alpha: rank,
    rslora: false,
    dropout: 0,
    rankPattern: pattern,
    alphaPattern: pattern,
  });
}

function relative(squaredError: number, squaredNorm: number): number {
  return squaredNorm === 0 ? 0 : Math.sqrt(squaredError / squaredNorm);
}
