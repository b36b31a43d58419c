import { checkArguments } from "../../base/index.js";
import type { Tensor } from "../../torch/index.js";
import { type Module, type Parameter, transposed } from "../nn/index.js";
import type { Adapter } from "./adapter.js";
import { type AdapterConfig, anAdapted } from "./adapterConfig.js";
import type { Slot } from "./targets.js";

/** One adapted layer: its position in the model, and its adapter. */
export type AdaptedModule = Slot & { readonly adapter: Adapter };

/**
 * The role of a trained tensor: BiDoRA trains directions in its lower level and magnitudes in its upper level. Some upper levels have tensors
 * of their own, which belong to the run and not to its model.
 */
export type TrainedRole = "direction" | "magnitude" | "upper";

/** A parameter that training updates in place or replaces. */
export class TrainedTensor {
  constructor(
    /** Its key in an adapter file, without `base_model.model.`. */
    readonly name: string,
    readonly parameter: Parameter,
    readonly role: TrainedRole,
    /** Whether weight decay applies: not for biases and norm weights. */
    readonly decays: boolean,
    /** Whether it is a table of embeddings, whose optimizer state is never in 8 bits. */
    readonly isEmbedding = false,
    /** Whether it is the weight or the bias of a norm. */
    readonly isNorm = false,
  ) {}

  /** The parameter's current tensor. */
  get tensor(): Tensor {
    return this.parameter.tensor;
  }

  /** The tensor as files store it. */
  get stored(): Tensor {
    return this.parameter.isStoredTransposed ? transposed(this.tensor) : this.tensor;
  }
}

/** A model with its adapters, and all tensors that are trained. */
export interface AdaptedModel<Config extends AdapterConfig | undefined = AdapterConfig | undefined> {
  readonly model: Module;
  /** Undefined in full fine-tuning: there is no adapter, and every parameter is trained. */
  readonly config: Config;
  readonly modules: readonly AdaptedModule[];
  readonly trained: readonly TrainedTensor[];
  /** Parameters that all adapted layers share, a module at the model's root. */
  readonly shared: Module | undefined;
  /** The method's additions to training. */
  readonly hooks?: TrainingHooks | undefined;
}

/** The tensors of an adapter file, by name without `base_model.model.`: all trained tensors, and constants of layers or of the whole model. */
export function savedTensors(adapted: AdaptedModel): Map<string, Tensor> {
  checkArguments("savedTensors", ["adapted", adapted, anAdapted]);
  const { trained, shared } = adapted;
  const kept = Array.from(shared?.ownParameters ?? [], ([name, { tensor }]) => [name, tensor] as const);
  const own = new Map(trained.map((tensor) => [tensor.name, tensor.stored] as const));
  return new Map([...kept, ...frozenTensors(adapted).filter(([name]) => !own.has(name)), ...own]);
}

/** The constants of layers, beside tensors that are trained. */
const frozenTensors = ({ modules }: AdaptedModel) =>
  modules.flatMap(({ path, adapter }) =>
    Array.from(adapter.ownParameters, ([name, { tensor }]) => [`${path}.${name}`, tensor] as const),
  );

/** The contents of an adapter file: `savedTensors` and the settings, without the ranks that training has pruned. */
export function savedState(adapted: AdaptedModel<AdapterConfig>): SavedState {
  checkArguments("savedState", ["adapted", adapted, anAdapted]);
  const whole = { config: adapted.config, tensors: savedTensors(adapted) };
  return adapted.hooks?.saved?.(whole) ?? whole;
}

/** Whether an adapted layer's weight is stored as [in, out] in model files. */
export function adaptsTransposed({ modules }: AdaptedModel): boolean {
  return modules.some(({ layer }) => layer.weight.isStoredTransposed);
}

/** A finished optimizer step. */
export interface FinishedStep {
  /** The step's number, from 1 to `steps`. */
  readonly step: number;
  readonly steps: number;
  /** The clipped gradients, by the names of the trained tensors. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/** A method's additions to training: AdaLoRA's penalty and its pruning of ranks. */
export interface TrainingHooks {
  /** A scalar added once to each step's loss, whatever the number of batches; it is not part of the reported loss. */
  penalty?(): Tensor;
  /** Changes tensors in place after an optimizer step, without gradients. */
  afterStep?(step: FinishedStep): void;
  /** State kept between steps, by name, always in the same tensors; checkpoints save their values. */
  readonly memory?: ReadonlyMap<string, Tensor>;
  /** The settings and tensors that a file gets: AdaLoRA leaves out pruned ranks. */
  saved?<Saved extends SavedState>(state: Saved): Saved;
}

/** An adapter's settings and tensors, by name without `base_model.model.`. */
export interface SavedState {
  readonly config: AdapterConfig;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/**
 * Keeps the current value of every norm ‖V‖ that gradients treat as a constant, until the returned function is called: finite
 * differences must treat it as a constant too.
 */
export function freezeNorms(adapted: AdaptedModel): () => void {
  const releases = adapted.modules.map(({ adapter, layer }) => adapter.freezeNorm(layer));
  return () => {
    for (const release of releases) release();
  };
}
