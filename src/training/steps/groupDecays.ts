import { BidoraError } from "../../base/index.js";
import { TrainedTensor } from "../../models/adapters/index.js";
import { Parameter } from "../../models/nn/index.js";
import * as torch from "../../torch/index.js";

/** The weight decay of some of a level's tensors. */
interface GroupDecay {
  readonly name: string;
  /** λ */
  readonly weightDecay: number;
  /** The places of its tensors among the level's. */
  readonly members: readonly number[];
}

/**
 * One weight decay λ = exp(θ) for each group of trained tensors. θ is a tensor that an upper level trains, in float64 so that λ starts at the
 * given number.
 */
export class GroupDecays {
  /** θ [groups] */
  readonly logs: TrainedTensor;
  /** The places of each group's tensors, by name. */
  readonly #members: ReadonlyMap<string, readonly number[]>;
  readonly #groupOf: ReadonlyMap<TrainedTensor, number>;

  /**
   * @param trained the level's tensors; those without decay are in no group
   * @param nameOf the group of a tensor
   * @param start λ before the first step, above 0
   */
  constructor(trained: readonly TrainedTensor[], nameOf: (tensor: TrainedTensor) => string, start: number) {
    const places = [...trained.keys()].filter((place) => trained[place]!.decays);
    const nameAt = new Map(places.map((place) => [place, nameOf(trained[place]!)]));
    const names = [...new Set(nameAt.values())];
    this.#members = new Map(names.map((name) => [name, places.filter((place) => nameAt.get(place) === name)]));
    this.#groupOf = new Map(places.map((place) => [trained[place]!, names.indexOf(nameAt.get(place)!)]));
    const logs = torch.keep(torch.full([names.length], Math.log(start), { dtype: "float64" })).setRequiresGrad(true);
    this.logs = new TrainedTensor("upper.decay", Parameter.of(logs), "upper", false);
  }

  /** The groups in the order of θ. */
  get groups(): readonly GroupDecay[] {
    const logs = this.logs.tensor.toArray();
    return Array.from(this.#members, ([name, members], k) => ({ name, members, weightDecay: Math.exp(logs[k]!) }));
  }

  /** λ of a tensor's group. */
  of(tensor: TrainedTensor): number {
    return Math.exp(this.logs.tensor.toArray()[this.#groupOf.get(tensor)!]!);
  }

  /** λ by group. @throws BidoraError `STATE_NOT_FINITE` for one that is too large for a number */
  values(): Record<string, number> {
    const { groups } = this;
    const broken = groups.find(({ weightDecay }) => !Number.isFinite(weightDecay));
    if (!broken) return Object.fromEntries(groups.map(({ name, weightDecay }) => [name, weightDecay]));
    throw new BidoraError(
      "STATE_NOT_FINITE",
      `The weight decay of ${broken.name} is no longer finite: use a smaller --upper-learning-rate.`,
    );
  }
}
