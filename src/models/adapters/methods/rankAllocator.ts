// Shapes: A [r, in], E [r, 1], B [out, r], scores and what is kept [r].

import { own } from "../../../base/index.js";
import * as torch from "../../../torch/index.js";
import type { Parameter } from "../../nn/index.js";
import type { AdaptedModel, FinishedStep, SavedState, TrainingHooks } from "../adapted.js";
import { A, type AdaloraConfig, B, E, type KeptRanks, ranksOf } from "./adaloraConfig.js";

type Tensors = ReadonlyMap<string, torch.Tensor>;

/** One of a layer's tensors, with its running means. */
interface Factor {
  readonly name: string;
  readonly parameter: Parameter;
  /** Running mean of |p·∂L/∂p|, shaped as it is. */
  readonly sensitivity: torch.Tensor;
  /** Running mean of the distance from that mean. */
  readonly uncertainty: torch.Tensor;
}

interface Layer {
  readonly path: string;
  readonly a: Factor;
  readonly b: Factor;
  readonly e: Factor;
  /** 1 for a rank that is left, else 0. */
  readonly kept: torch.Tensor;
}

/**
 * AdaLoRA's pruning of ranks (arXiv 2303.10512, section 3), as in PEFT's `RankAllocator` and `AdaLoraModel`: it uses the gradients of
 * a step and the values after it. A pruned rank has a zero in E; training can bring it back until the last allocation.
 */
export class RankAllocator implements TrainingHooks {
  #layers: readonly Layer[] | undefined;
  #steps: torch.Tensor | undefined;

  constructor(readonly adapted: AdaptedModel<AdaloraConfig>) {}

  /** Created at the first use: an adapter that is not trained does not need it. */
  get #remembered(): { readonly layers: readonly Layer[]; readonly steps: torch.Tensor } {
    this.#layers ??= layersOf(this.adapted);
    this.#steps ??= torch.keep(torch.zeros([1], { device: this.adapted.model.device }));
    return { layers: this.#layers, steps: this.#steps };
  }

  get memory(): Tensors {
    const { layers, steps } = this.#remembered;
    const named = layers.flatMap(({ path, a, b, e, kept }) => [
      ...[a, b, e].flatMap(({ name, sensitivity, uncertainty }) => [
        [`${name}.sensitivity`, sensitivity] as const,
        [`${name}.uncertainty`, uncertainty] as const,
      ]),
      [`${path}.kept`, kept] as const,
    ]);
    return new Map([...named, ["steps", steps]]);
  }

  /** The mean of ‖AAᵀ − I‖ and ‖BᵀB − I‖ (Frobenius) over all layers, weighted. */
  penalty(): torch.Tensor {
    const { config, modules } = this.adapted;
    const norms = this.#remembered.layers.flatMap(({ a, b }) => [
      distanceFromIdentity(a.parameter.tensor),
      distanceFromIdentity(torch.t(b.parameter.tensor)),
    ]);
    if (norms.length === 0) return torch.zeros([], { device: this.adapted.model.device });
    const share = config.adaloraOrthogonalWeight / (2 * modules.length);
    return torch.mulScalar(torch.sum(torch.stack(norms)), share);
  }

  afterStep({ step, steps, gradients }: FinishedStep): void {
    const { config, modules } = this.adapted;
    const { layers } = this.#remembered;
    torch.fill_(this.#remembered.steps, steps);
    const last = lastAllocation(steps, config);
    if (step < last || step === 1) this.#remember(gradients);
    const first = layers.reduce((sum, { kept }) => sum + kept.numel, 0);
    const budget = budgetAfter(step, steps, { first, target: config.rank * modules.length }, config);
    if (budget !== undefined) allocate(layers, first - budget);
    if (budget !== undefined || step > last) mask(layers);
  }

  #remember(gradients: Tensors): void {
    const { beta1, beta2 } = this.adapted.config;
    for (const { a, b, e } of this.#remembered.layers) {
      for (const { name, parameter, sensitivity, uncertainty } of [a, b, e]) {
        const importance = torch.abs(torch.mul(parameter.tensor, gradients.get(name)!));
        torch.add_(torch.mulScalar_(sensitivity, beta1), importance, { alpha: 1 - beta1 });
        const distance = torch.abs(torch.sub(importance, sensitivity));
        torch.add_(torch.mulScalar_(uncertainty, beta2), distance, { alpha: 1 - beta2 });
      }
    }
  }

  /** Without pruned ranks whose E is zero: early stopping may have restored older values. */
  saved<Saved extends SavedState>(state: Saved): Saved {
    if (!this.#layers) return state;
    const { layers, steps } = this.#remembered;
    const config = { ...state.config, totalSteps: steps.item() || this.adapted.config.totalSteps };
    const left = layers.map((layer) => ({ layer, keeps: keptOf(layer) }));
    if (left.every(({ keeps }) => keeps.every(Boolean))) return { ...state, config };
    const tensors = new Map(state.tensors);
    for (const { layer, keeps } of left) {
      const rows = keeps.flatMap((keep, i) => (keep ? [i] : []));
      const index = torch.tensor(rows, [rows.length], "int64", layer.kept.device);
      for (const [{ name, parameter }, dim] of [
        [layer.a, 0],
        [layer.b, 1],
        [layer.e, 0],
      ] as const)
        tensors.set(
          name,
          torch.noGrad(() => torch.indexSelect(parameter.tensor, dim, index)),
        );
    }
    const found = new Map(left.map(({ layer, keeps }) => [layer.path, keeps]));
    return { ...state, config: { ...config, keptRanks: this.#keptRanks(found) }, tensors };
  }

  /** Whether each initial rank of a layer is kept. @param found the same for the ranks that this adapter started with */
  #keptRanks(found: ReadonlyMap<string, readonly boolean[]>): KeptRanks {
    const { config, modules } = this.adapted;
    const patterns = modules.map(({ path }) => {
      const before = own(config.keptRanks ?? {}, path) ?? new Array<boolean>(config.adaloraInitRank).fill(true);
      const keeps = [...(found.get(path) ?? [])];
      return [path, before.map((was) => was && (keeps.shift() as boolean))] as const;
    });
    return Object.fromEntries(patterns);
  }
}

/** The layers that have ranks. */
function layersOf({ config, modules }: AdaptedModel<AdaloraConfig>): Layer[] {
  return modules
    .filter(({ path }) => ranksOf(config, path) > 0)
    .map(({ path, adapter }) => {
      const factor = (key: string): Factor => {
        const parameter = adapter.ownParameters.get(key)!;
        const zeros = () => torch.keep(torch.zerosLike(parameter.tensor));
        return { name: `${path}.${key}`, parameter, sensitivity: zeros(), uncertainty: zeros() };
      };
      const { dtype } = adapter;
      const { device } = adapter.ownParameters.get(A)!.tensor;
      return {
        path,
        a: factor(A),
        b: factor(B),
        e: factor(E),
        kept: torch.keep(torch.ones([ranksOf(config, path)], { dtype, device })),
      };
    });
}

/** ‖P·Pᵀ − I‖. P: [r, n] */
function distanceFromIdentity(p: torch.Tensor): torch.Tensor {
  const identity = torch.eye(p.shape[0]!, { dtype: p.dtype, device: p.device });
  return torch.linalgVectorNorm(torch.sub(torch.mm(p, torch.t(p)), identity));
}

/** The importance of each rank (section 3.2): the score of its E, plus the mean scores of its row of A and its column of B. */
function scoresOf({ a, b, e }: Layer): Float64Array {
  const score = ({ sensitivity, uncertainty }: Factor) => torch.mul(sensitivity, uncertainty);
  const vectors = torch.add(torch.meanDim(score(a), [1]), torch.meanDim(score(b), [0]));
  return Float64Array.from(torch.add(torch.view(score(e), [-1]), vectors).toArray());
}

/** Prunes the `count` least important ranks of all layers together, and those that tie with the last of them, as in PEFT. */
function allocate(layers: readonly Layer[], count: number): void {
  if (count <= 0) return;
  const scores = layers.map(scoresOf);
  const sorted = Float64Array.from(scores.flatMap((own) => [...own])).sort();
  const threshold = sorted[count - 1]!;
  for (const [i, { kept }] of layers.entries()) {
    const keeps = Array.from(scores[i]!, (score) => (score > threshold ? 1 : 0));
    torch.copy_(kept, torch.tensor(keeps, [keeps.length], kept.dtype, kept.device));
  }
}

function mask(layers: readonly Layer[]): void {
  for (const { e, kept } of layers) {
    const gone = torch.unsqueeze(torch.eqScalar(kept, 0), 1);
    torch.copy_(e.parameter.tensor, torch.maskedFill(e.parameter.tensor, gone, 0));
  }
}

function keptOf({ e, kept }: Layer): boolean[] {
  const values = e.parameter.tensor.toArray();
  return Array.from(kept.toArray(), (keep, i) => keep !== 0 || values[i] !== 0);
}

type Schedule = Pick<AdaloraConfig, "adaloraTinit" | "adaloraTfinal" | "adaloraDeltaT">;

/** Ranks of all layers together. */
interface Ranks {
  readonly first: number;
  readonly target: number;
}

/**
 * The step after which the ranks reach the target and stay there. PEFT requires it to come after `tinit`; here a run that is too
 * short for its schedule still ends at the target.
 */
const lastAllocation = (steps: number, { adaloraTfinal }: Schedule): number => Math.max(1, steps - adaloraTfinal);

/**
 * The number of ranks left after a step (arXiv 2303.10512, equation 12), as in PEFT; undefined if the step prunes none.
 * @param step from 1, of `steps`
 */
export function budgetAfter(step: number, steps: number, ranks: Ranks, schedule: Schedule): number | undefined {
  const { adaloraTinit: tinit, adaloraTfinal: tfinal, adaloraDeltaT: deltaT } = schedule;
  const last = lastAllocation(steps, schedule);
  if (step === last) return ranks.target;
  if (step > last || step <= tinit || step % deltaT !== 0) return undefined;
  const left = 1 - (step - tinit) / (steps - tfinal - tinit);
  return Math.trunc((ranks.first - ranks.target) * left ** 3 + ranks.target);
}
