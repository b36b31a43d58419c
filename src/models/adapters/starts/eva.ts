// EVA (arXiv 2410.07170) as PEFT has it, with rho 2: A starts as the principal components of a layer's inputs, B at zero, and ranks go where
// they explain most of the inputs' variance. PEFT finds the components by incremental randomized SVDs, here they are exact.

import * as torch from "../../../torch/index.js";
import type { Linear } from "../../nn/index.js";
import { type LowRankConfig, patternByPath, rankAndScale } from "../lowRankConfig.js";
import type { Slot } from "../targets.js";
import { inTurns, observing, signsOfLargest } from "./observe.js";

/** The largest rank over the usual one (PEFT's `rho`). */
const MOST = 2;

/** Mean and second moments of a layer's inputs, in float64. */
class InputMoments {
  #count = 0;
  readonly #sum: torch.Tensor; // in
  readonly #squares: torch.Tensor; // in,in

  constructor(width: number, device: string) {
    this.#sum = torch.keep(torch.zeros([width], { dtype: "float64", device }));
    this.#squares = torch.keep(torch.zeros([width, width], { dtype: "float64", device }));
  }

  add({ count, sum, squares }: InputSums): void {
    this.#count += count;
    torch.add_(this.#sum, sum);
    torch.add_(this.#squares, squares);
  }

  /** The first components of the centered inputs, [k, in], and the share of all variance that each explains. */
  components(most: number): Components {
    const k = Math.min(most, this.#sum.numel);
    const found = torch.scope(() => {
      const mean = torch.divScalar(this.#sum, this.#count);
      const spread = torch.mm(torch.unsqueeze(mean, 1), torch.unsqueeze(mean, 0));
      const covariance = torch.sub(torch.divScalar(this.#squares, this.#count), spread);
      const [negative, vectors] = torch.linalgEigh(torch.neg(covariance)); // ascending from −λ₁
      const rows = torch.t(torch.narrow(vectors, 1, 0, k));
      return [torch.contiguous(torch.mul(rows, signsOfLargest(rows))), torch.neg(negative)] as const;
    });
    const [rows, variances] = found;
    const all = Array.from(variances.toArray(), (value) => Math.max(0, value));
    const total = all.reduce((sum, value) => sum + value, 0);
    return { rows, shares: all.slice(0, k).map((value) => (total > 0 ? value / total : 0)) };
  }

  dispose(): void {
    this.#sum.dispose();
    this.#squares.dispose();
  }
}

/** Σx and Σxxᵀ over the rows of an input, [in] and [in, in]. */
interface InputSums {
  readonly count: number;
  readonly sum: torch.Tensor;
  readonly squares: torch.Tensor;
}

/** The sums of the latest input, which query, key and value have one after the other. */
class LatestSums {
  #latest: (InputSums & { readonly x: torch.Tensor }) | undefined;

  /** x: [tokens, in] */
  of(x: torch.Tensor): InputSums {
    if (this.#latest?.x === x) return this.#latest;
    this.dispose();
    const [sum, squares] = torch.scope(() => {
      const wide = torch.castTo(x, "float64");
      return [torch.sumDim(wide, [0]), torch.mm(torch.t(wide), wide)] as const;
    });
    this.#latest = { x, count: x.shape[0]!, sum: torch.keep(sum), squares: torch.keep(squares) };
    return this.#latest;
  }

  dispose(): void {
    this.#latest?.sum.dispose();
    this.#latest?.squares.dispose();
    this.#latest = undefined;
  }
}

interface Components {
  /** [k, in] */
  readonly rows: torch.Tensor;
  readonly shares: readonly number[];
}

/** The settings of an adapter with the ranks that EVA gives. */
export interface EvaStart<Config extends LowRankConfig> {
  readonly config: Config;
  /** The components of each layer's inputs by its path, [k, in]: A has the first r of them. */
  readonly components: ReadonlyMap<string, torch.Tensor>;
}

/** Passes over the rows, without gradients; they run as often as memory makes necessary. */
export interface InputPasses {
  /** All tokens through the layers of the model. */
  layers(): void;
  /** The same with the head, for layers that the first pass does not reach; it reads some tokens only. */
  head(): void;
}

export function evaStart<Config extends LowRankConfig>(
  slots: readonly Slot[],
  config: Config,
  passes: InputPasses,
): EvaStart<Config> {
  const found = torch.noGrad(() => componentsOf(slots, config, passes));
  const ranks = ranksOf(
    slots.map(({ path }) => found.get(path)?.shares ?? []),
    budgetOf(slots, config),
  );
  const kept = slots.flatMap(({ path }, i) => (ranks[i]! > 0 ? [{ path, rank: ranks[i]! }] : []));
  const components = new Map(Array.from(found, ([path, { rows }]) => [path, rows] as const));
  return { config: withRanks(config, kept, slots.length), components };
}

const budgetOf = (slots: readonly Slot[], config: LowRankConfig): number =>
  slots.reduce((sum, { path }) => sum + rankAndScale(config, path).rank, 0);

function componentsOf(slots: readonly Slot[], config: LowRankConfig, passes: InputPasses): Map<string, Components> {
  const found = new Map<string, Components>();
  for (const turn of inTurns(slots, ({ in: width }) => 8 * width ** 2)) {
    const inLayers = momentsOf(turn, () => passes.layers());
    const others = turn.filter(({ path }) => !inLayers.has(path));
    const inHead = others.length > 0 ? momentsOf(others, () => passes.head()) : new Map<string, InputMoments>();
    const all = new Map([...inLayers, ...inHead]);
    for (const [path, own] of all) found.set(path, own.components(MOST * rankAndScale(config, path).rank));
    for (const own of all.values()) own.dispose();
  }
  return found;
}

/** The moments of each layer that inputs reach. */
function momentsOf(slots: readonly Slot[], pass: () => void): Map<string, InputMoments> {
  const moments = new Map<string, InputMoments>();
  const latest = new LatestSums();
  const see = ({ path, in: width }: Slot, x: torch.Tensor, layer: Linear): torch.Tensor => {
    const own = moments.get(path) ?? new InputMoments(width, x.device);
    moments.set(path, own);
    own.add(latest.of(x));
    return layer.base(x);
  };
  try {
    observing(slots, see, pass);
  } finally {
    latest.dispose();
  }
  return moments;
}

/**
 * The number of components of each layer among those of all that explain most. Of layers with equal inputs the first has the most.
 * @param shares descending for each layer
 */
export function ranksOf(shares: readonly (readonly number[])[], budget: number): number[] {
  const all = shares.flatMap((own, layer) => own.map((share) => ({ share, layer })));
  const ranks = shares.map(() => 0);
  for (const { layer } of all.toSorted((one, other) => other.share - one.share).slice(0, budget)) ranks[layer]! += 1;
  return ranks;
}

/** The ranks as patterns, with alpha over rank as it was. Layers without a rank get no adapter. */
function withRanks<Config extends LowRankConfig>(
  config: Config,
  kept: readonly { readonly path: string; readonly rank: number }[],
  layers: number,
): Config {
  const alphaOf = (path: string, rank: number) => {
    const own = rankAndScale(config, path);
    return (own.alpha * rank) / own.rank;
  };
  const pattern = (value: (path: string, rank: number) => number, base: number) =>
    patternByPath(
      new Map(kept.map(({ path, rank }) => [path, value(path, rank)] as const).filter(([, own]) => own !== base)),
    );
  return {
    ...config,
    rankPattern: pattern((_, rank) => rank, config.rank),
    alphaPattern: pattern(alphaOf, config.alpha),
    ...(kept.length < layers && {
      targetModules: kept.map(({ path }) => path),
      layersToTransform: undefined,
      layersPattern: undefined,
    }),
  };
}
