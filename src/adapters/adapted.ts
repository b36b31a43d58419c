import { checkArguments } from "../common/arguments.js";
import { type Module, type Parameter, transposed } from "../nn/index.js";
import type { Tensor } from "../torch/index.js";
import type { Adapter } from "./adapter.js";
import { type AdapterConfig, anAdapted } from "./config.js";
import type { Slot } from "./targets.js";

/** One adapted layer: where it is, and what was put there. */
export type AdaptedModule = Slot & { readonly adapter: Adapter };

/** What a trained tensor is for: BiDoRA trains directions in its lower level and magnitudes in its upper one. */
export type TrainedRole = "direction" | "magnitude";

/** A parameter whose tensor training changes, or replaces by another. */
export class TrainedTensor {
  constructor(
    /** Its key in an adapter file, without `base_model.model.`. */
    readonly name: string,
    readonly parameter: Parameter,
    readonly role: TrainedRole,
    /** Weight decay applies: not to biases and norm weights. */
    readonly decays: boolean,
  ) {}

  /** What the parameter holds now. */
  get tensor(): Tensor {
    return this.parameter.tensor;
  }

  /** The same as files have it. */
  get stored(): Tensor {
    return this.parameter.isStoredTransposed ? transposed(this.tensor) : this.tensor;
  }
}

/** A model's adapters, and the tensors that are trained because of them. */
export interface AdaptedModel<Config extends AdapterConfig | undefined = AdapterConfig | undefined> {
  readonly model: Module;
  /** Undefined where there is no adapter: every parameter of the model is trained. */
  readonly config: Config;
  readonly modules: readonly AdaptedModule[];
  readonly trained: readonly TrainedTensor[];
  /** Parameters that all adapted layers share, by name: they stand at the model's root. */
  readonly shared: Module | undefined;
  /** What its method does beside the optimiser. */
  readonly hooks?: TrainingHooks | undefined;
}

/** What an adapter adds to a model or trains of it, by name without `base_model.model.`: all that is trained, and what layers share. */
export function savedTensors(adapted: AdaptedModel): Map<string, Tensor> {
  checkArguments("savedTensors", ["adapted", adapted, anAdapted]);
  const { trained, shared } = adapted;
  const kept = Array.from(shared?.ownParameters ?? [], ([name, { tensor }]) => [name, tensor] as const);
  return new Map([...kept, ...trained.map((own) => [own.name, own.stored] as const)]);
}

/** What an adapter file says and holds: `savedTensors` and the settings, less what training has taken out of both. */
export function savedState(adapted: AdaptedModel<AdapterConfig>): SavedState {
  checkArguments("savedState", ["adapted", adapted, anAdapted]);
  const whole = { config: adapted.config, tensors: savedTensors(adapted) };
  return adapted.hooks?.saved?.(whole) ?? whole;
}

/** Whether an adapter is in a layer whose weight lies [in, out] in model files. */
export function adaptsTransposed({ modules }: AdaptedModel): boolean {
  return modules.some(({ layer }) => layer.weight.isStoredTransposed);
}

/** An optimiser step that has been done. */
export interface FinishedStep {
  /** From 1, of `steps` in the run. */
  readonly step: number;
  readonly steps: number;
  /** What the optimiser was given, clipped, by the names of the trained tensors. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/** What a method does beside the optimiser while it trains: AdaLoRA's penalty, and its ranks that shrink. */
export interface TrainingHooks {
  /** A scalar added to each step's loss, once however many batches the step has, and not told with it. */
  penalty?(): Tensor;
  /** Changes tensors in place after an optimiser step, unrecorded. */
  afterStep?(step: FinishedStep): void;
  /** What it remembers from step to step, by name, in the same tensors throughout: checkpoints keep their values. */
  readonly memory?: ReadonlyMap<string, Tensor>;
  /** What a file gets of the adapter's settings and tensors: of AdaLoRA's ranks those that are left. */
  saved?<Saved extends SavedState>(state: Saved): Saved;
}

/** An adapter's settings and tensors, by name without `base_model.model.`. */
export interface SavedState {
  readonly config: AdapterConfig;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/**
 * Where gradients take ‖V‖ as a constant, differences must too: holds every such norm at its present value until the
 * returned function is called.
 */
export function freezeNorms(adapted: AdaptedModel): () => void {
  const releases = adapted.modules.map(({ adapter, layer }) => adapter.freezeNorm(layer));
  return () => {
    for (const release of releases) release();
  };
}
