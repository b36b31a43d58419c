import { group } from "d3-array";
import type { TrainedTensor } from "../../models/adapters/index.js";
import * as torch from "../../torch/index.js";
import {
  clipGradNorm,
  initState,
  type Memory,
  OPTIMIZERS,
  type Optimizer,
  type OptimizerName,
  type OptimizerOptions,
  type OptimizerState,
  type ScheduleName,
  type ShapeAndDtype,
  scheduleFactor,
  warmupSteps,
} from "../../torch/optim/index.js";
import type { FiniteGradients } from "./finite.js";
import { disposeSnapshot, notFinite, restoreTensors } from "./trainedTensors.js";

/** An optimizer by name, and its settings. */
export interface OptimizerChoice extends OptimizerOptions {
  readonly optimizer: OptimizerName;
}

export interface LevelOptions extends OptimizerChoice {
  /** Peak learning rate. */
  readonly learningRate: number;
  /** That of a tensor, where not all have the same. */
  readonly rateOf?: ((trained: TrainedTensor) => number) | undefined;
  readonly schedule: ScheduleName;
  readonly warmupRatio: number;
  /** The number of optimizer steps of the schedule. */
  readonly steps: number;
  readonly maxGradNorm: number | undefined;
  /** The weight decay of all tensors but biases and norms; as a function, that of a tensor at the next update. */
  readonly weightDecay: number | ((trained: TrainedTensor) => number);
}

/** The result of one update. */
export interface Update {
  readonly learningRate: number;
  /** Those of the trained tensors, in order. */
  readonly rates: readonly number[];
  /** The factor by which clipping scaled the gradients. */
  readonly clipFactor: number;
  /** The clipped gradients, in the order of the trained tensors. */
  readonly gradients: readonly torch.Tensor[];
}

/** A state of a level to return to. */
export interface Mark {
  restore(): void;
  dispose(): void;
}

/** Tensors that are trained together, with their optimizer and schedule: all of them, or one level of a bilevel problem. */
export class Level {
  readonly #optimizer: Optimizer<OptimizerOptions>;
  /** The places of the tensors with each peak learning rate. */
  readonly #placesByPeak: ReadonlyMap<number, readonly number[]>;
  #state: OptimizerState;
  #isGuarded = false;

  constructor(
    readonly trained: readonly TrainedTensor[],
    readonly options: LevelOptions,
  ) {
    this.#optimizer = OPTIMIZERS[options.optimizer];
    const { rateOf = () => options.learningRate } = options;
    this.#placesByPeak = group([...trained.keys()], (place) => rateOf(trained[place]!));
    this.#state = initState(this.#optimizer, trained.map(formOf), options);
  }

  /** The current tensors. */
  tensors(): torch.Tensor[] {
    return this.trained.map((member) => member.parameter.tensor);
  }

  /** Updates done so far. */
  get stepsDone(): number {
    return this.#state.steps;
  }

  /** The learning rate of the next update. */
  get learningRate(): number {
    return this.#factorAt(this.stepsDone) * this.options.learningRate;
  }

  get #largestPeak(): number {
    return Math.max(0, ...this.#placesByPeak.keys());
  }

  /** Whether an update had a learning rate above 0. Only the first one of a warm-up has none. */
  get hasMoved(): boolean {
    return this.stepsDone > 0 && this.#factorAt(this.stepsDone - 1) * this.#largestPeak > 0;
  }

  /** Whether an update has followed those of the warm-up. */
  get isPastWarmup(): boolean {
    const { steps, warmupRatio } = this.options;
    return this.stepsDone > warmupSteps(steps, warmupRatio);
  }

  #factorAt(t: number): number {
    const { schedule, steps, warmupRatio } = this.options;
    return scheduleFactor(schedule, t, steps, warmupRatio);
  }

  /** The learning rates of the next update, one for each tensor. */
  #rates(): number[] {
    const factor = this.#factorAt(this.stepsDone);
    const rates = new Array<number>(this.trained.length);
    for (const [peak, places] of this.#placesByPeak) for (const place of places) rates[place] = peak * factor;
    return rates;
  }

  /**
   * Clips the gradients and does one optimizer step in place.
   * @throws BidoraError `STATE_NOT_FINITE` if a number overflows; nothing has changed then
   */
  update({ tensors, norm }: FiniteGradients): Update {
    const [learningRate, rates] = [this.learningRate, this.#rates()];
    const { maxGradNorm } = this.options;
    const { gradients, factor } =
      maxGradNorm === undefined ? { gradients: tensors, factor: 1 } : clipGradNorm(tensors, norm, maxGradNorm);
    const decays = this.trained.map((member) => this.#decayOf(member));
    const largest = Math.max(0, ...rates);
    this.#isGuarded ||= mayOverflow({ learningRate: largest, norm, weightDecay: Math.max(...decays) });
    const step = () => this.#step(gradients, decays, rates);
    if (this.#isGuarded) this.#onCopies(step);
    else step();
    return { learningRate, rates, clipFactor: factor, gradients };
  }

  #step(gradients: readonly torch.Tensor[], decays: readonly number[], rates: readonly number[]): void {
    const { steps } = this.#state;
    for (const { places, of, state, rate } of this.#partsByRate(rates)) {
      const members = places.map((place) => ({ tensor: this.trained[place]!.tensor, weightDecay: decays[place]! }));
      this.#optimizer.update(members, of(gradients), state, rate, this.options);
    }
    this.#state.steps = steps + 1;
  }

  /** The parts of the tensors that have a learning rate each, with the optimizer's state of each. @param rates of all tensors */
  #partsByRate(rates: readonly number[]) {
    const { steps, memories } = this.#state;
    return Array.from(this.#placesByPeak.values(), (places) => {
      const of = <T>(all: readonly T[]): T[] => places.map((place) => all[place]!);
      return { places, of, state: { steps, memories: of(memories) }, rate: rates[places[0]!]! };
    });
  }

  #decayOf(member: TrainedTensor): number {
    const { weightDecay } = this.options;
    if (!member.decays) return 0;
    return typeof weightDecay === "number" ? weightDecay : weightDecay(member);
  }

  /** Takes over the result of a step only if it is finite. */
  #onCopies(step: () => void): void {
    const state = this.#state;
    const before = this.save().tensors;
    const tensors = this.fork();
    this.#state = { ...state, memories: state.memories.map(copyOf) };
    let steps: number | undefined;
    try {
      step();
      const broken = Array.from(this.#everything()).find(([, tensor]) => !torch.isAllFinite(tensor));
      if (broken) throw notFinite(broken[0]);
      ({ steps } = this.#state);
    } finally {
      const after = this.save().tensors;
      const copies = this.replace(tensors);
      this.#state = state;
      if (steps !== undefined) {
        state.steps = steps;
        torch.noGrad(() => tensors.forEach((tensor, i) => void torch.copy_(tensor, copies[i]!)));
        restoreTensors(before, after);
      }
      for (const copy of [...copies, ...after.values()]) copy.dispose();
    }
  }

  /**
   * −(∂p'/∂g)ᵀ·v through the newest update, with clipping as a constant factor.
   * @param gradients before clipping
   */
  throughUpdate(
    v: readonly torch.Tensor[],
    gradients: readonly torch.Tensor[],
    { rates, clipFactor }: Pick<Update, "rates" | "clipFactor">,
  ): torch.Tensor[] {
    const { derivative } = this.#optimizer;
    if (!derivative) throw new TypeError(`${this.options.optimizer} has no derivative.`);
    const clipped = torch.noGrad(() => torch.foreachMulScalar(gradients, clipFactor));
    const product = new Array<torch.Tensor>(v.length);
    for (const { places, of, state, rate } of this.#partsByRate(rates)) {
      const found = derivative(of(v), of(clipped), state, rate, this.options);
      for (const [i, place] of places.entries()) product[place] = found[i]!;
    }
    return torch.noGrad(() => torch.foreachMulScalar(product, clipFactor));
  }

  /** Replaces the parameters' tensors by copies, so that updates leave the originals unchanged, and returns the originals. */
  fork(): torch.Tensor[] {
    return torch.noGrad(() => this.replace(this.tensors().map((tensor) => torch.keep(torch.clone(tensor)))));
  }

  /** Replaces the parameters' tensors and returns the old ones, which stay valid. */
  replace(tensors: readonly torch.Tensor[]): torch.Tensor[] {
    return this.trained.map(({ parameter }, i) => {
      const next = tensors[i]!;
      return parameter.swap(next.setRequiresGrad(true)) as torch.Tensor;
    });
  }

  /** Remembers the tensors and the optimizer's state. @returns what puts them back, or lets them go */
  mark(): Mark {
    const kept = copyOf(Object.fromEntries(this.#everything()));
    const { steps: done } = this.#state;
    return {
      restore: () => {
        restoreTensors(this.#everything(), new Map(Object.entries(kept)));
        this.#state.steps = done;
      },
      dispose: () => disposeSnapshot(new Map(Object.entries(kept))),
    };
  }

  #everything(): Map<string, torch.Tensor> {
    return new Map([...this.trained.map(({ name, tensor }) => [name, tensor] as const), ...this.save().tensors]);
  }

  save(): { readonly steps: number; readonly tensors: Map<string, torch.Tensor> } {
    const tensors = this.trained.flatMap(({ name }, i) =>
      Object.entries(this.#state.memories[i] ?? {}).map(([key, tensor]) => [memoryName(name, key), tensor] as const),
    );
    return { steps: this.#state.steps, tensors: new Map(tensors) };
  }

  restore(steps: number, saved: ReadonlyMap<string, torch.Tensor>): void {
    this.#state.steps = steps;
    restoreTensors(this.save().tensors, saved);
  }
}

/** Far from the largest float32, 3e38: no optimizer makes an infinite number of these at once, nor by many steps. */
const LARGE = 1e15;

/** Whether an update may be so large that a number overflows. Only then a step costs a copy of what it changes. */
function mayOverflow(step: {
  readonly learningRate: number;
  readonly norm: number;
  readonly weightDecay: number;
}): boolean {
  const { learningRate, norm, weightDecay } = step;
  return learningRate > LARGE || norm > LARGE || learningRate * norm > LARGE || learningRate * weightDecay > 2;
}

const copyOf = (memory: Memory): Memory =>
  torch.noGrad(() =>
    Object.fromEntries(Object.entries(memory).map(([key, tensor]) => [key, torch.keep(torch.clone(tensor))])),
  );

const memoryName = (trained: string, key: string): string => `${trained}.${key}`;

/** What the form of a tensor's optimizer state depends on, and its device. */
export function formOf({ tensor, isEmbedding }: Pick<TrainedTensor, "tensor" | "isEmbedding">) {
  const { shape, dtype, device } = tensor;
  return { shape, dtype, device, isEmbedding };
}

/** The names and forms of the optimizer's state for one tensor, as a level saves it. */
export function savedForms(
  trained: Pick<TrainedTensor, "name" | "tensor" | "isEmbedding">,
  options: OptimizerChoice,
): (readonly [name: string, form: ShapeAndDtype])[] {
  const forms = OPTIMIZERS[options.optimizer].stateForms(formOf(trained), options);
  return Object.entries(forms).map(([key, form]) => [memoryName(trained.name, key), form]);
}
