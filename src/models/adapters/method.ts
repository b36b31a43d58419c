import type { JsonObject } from "../../base/records/index.js";
import type { OptionTable, Values } from "../../base/settings/index.js";
import * as torch from "../../torch/index.js";
import type { Module, Parameter, SubLayerOutputs } from "../nn/index.js";
import type { AdaptedModel, TrainedRole, TrainingHooks } from "./adapted.js";
import type { Adapter } from "./adapter.js";
import type { AdapterConfig, TargetModules } from "./adapterConfig.js";
import type { Slot } from "./targets.js";

/** A run's settings as a method gets them: with defaults, including the default target modules. */
export type MethodSettings<Options extends OptionTable> = Values<Options> & { readonly targetModules: TargetModules };

/** The facts about a model that a method's defaults depend on. */
export interface ModelDefaults {
  /** Its `model_type` in Hugging Face configurations. */
  readonly modelType: string;
  readonly defaultTargetModules: readonly string[];
  /** The output layers of the model's sub-layers. */
  readonly subLayerOutputs: SubLayerOutputs;
}

/** A tensor that is saved with an adapter. Derived values, such as a cached norm, are not. */
export interface TensorSpec {
  /** Its name in the module tree and in the file, after the layer's path; a shared tensor has no path. */
  readonly name: string;
  readonly shape: readonly number[];
  /** By default `direction`. */
  readonly role?: TrainedRole;
  /** Whether weight decay applies; true by default. */
  readonly decays?: boolean;
  /** Whether it is a constant, which is saved with the adapter and never trained. */
  readonly isFrozen?: boolean;
  /** Its initial value, with which the adapter does not change the model's outputs. */
  start(draw: { readonly dtype: torch.DType; readonly generator: torch.Generator }): torch.Tensor;
}

type Facts = Pick<TensorSpec, "role" | "decays" | "isFrozen">;

/** A tensor of zeros. */
export const zeros = (name: string, shape: readonly number[], facts: Facts = {}): TensorSpec =>
  full(name, shape, 0, facts);

/** A tensor of one value. */
export function full(name: string, shape: readonly number[], value: number, facts: Facts = {}): TensorSpec {
  return { name, shape, ...facts, start: ({ dtype }) => torch.full(shape, value, { dtype }) };
}

/** A normally distributed tensor with mean 0. */
export function normal(name: string, shape: readonly number[], deviation: number): TensorSpec {
  const start: TensorSpec["start"] = ({ dtype, generator }) =>
    torch.normal_(torch.empty(shape, { dtype }), 0, deviation, { generator });
  return { name, shape, start };
}

/** A tensor with values uniform in ±`bound`. */
export function uniform(name: string, shape: readonly number[], bound: number): TensorSpec {
  const start: TensorSpec["start"] = ({ dtype, generator }) =>
    torch.uniform_(torch.empty(shape, { dtype }), -bound, bound, { generator });
  return { name, shape, start };
}

/**
 * An adapter method: one file in `methods/`, one line in `adapterMethods.ts`. The kinds of methods:
 *
 * - Tensors in layers (LoRA, DoRA): `findSlots` finds the layers, `tensors` lists the tensors of each, `build` makes the module that
 *   replaces the layer. A weight is always [out, in] here: only the codec knows, as `fan_in_fan_out`, that GPT-2's Conv1D stores it
 *   transposed. `findSlots` also reads `layersToTransform`, which selects a few layers.
 * - Frozen tensors that all layers share (VeRA's projections): `shared`. Frozen tensors of a layer: `isFrozen` of its `TensorSpec`.
 * - No tensors at all (BitFit): no `inLayers`; `bias` and `modulesToSave` of its settings select the parameters to train and save.
 * - A module after a layer (a bottleneck after a sub-layer's dense layer, before its dropout): an adapter whose `forward` starts
 *   with `layer.base(x)`, and whose `whyNotMerged` gives the reason.
 * - Ranks that change during training (AdaLoRA): the masked values are tensors in the layers, the penalty and the pruning after each
 *   optimizer step are `trainingHooks`, and the codec leaves out pruned ranks.
 */
export interface AdapterMethod<
  Config extends AdapterConfig = AdapterConfig,
  Options extends OptionTable = OptionTable,
> {
  /** A description in a few words. */
  readonly about: string;
  /** A good learning rate for small and base-size encoders. */
  readonly learningRate: number;
  /** The settings of a run that it uses. Several methods may share one; a run has all of them. */
  readonly options: Options;
  /** The settings that a run may change when it starts from a saved adapter. The method's config has the same names for them. */
  readonly retunable: readonly (keyof Options & string)[];
  /** Defaults of its settings that are derived from other settings. */
  derived?(settings: Values<Options>): Partial<Values<Options>>;
  /** @throws UsageError for settings that contradict each other */
  check?(settings: Values<Options>): void;
  /** The method's own configuration, with defaults for what is absent. */
  config(options: Partial<Config>): Config;
  /** The default target modules; if absent, the architecture's `defaultTargetModules`. */
  defaultTargets?(model: ModelDefaults): TargetModules;
  /** Turns a run's settings into the method's configuration. @throws UsageError for settings that do not fit the model */
  fromSettings(settings: MethodSettings<Options>, model: ModelDefaults): Partial<Config>;
  /** The reverse: the settings that a saved adapter determines in a run that starts from it. */
  toSettings(config: Config): Partial<Values<Options>>;
  /** The part that is added to layers; undefined for none. */
  readonly inLayers?: LayerPart<Config>;
  readonly codec: AdapterCodec<Config>;
}

/** The part of an adapter method that is added to layers. */
export interface LayerPart<Config extends AdapterConfig> {
  /** The layers that get an adapter. @throws BidoraError `TARGET`, `ADAPTER_CONFIG`, `PATTERN` */
  findSlots(model: Module, config: Config): Slot[];
  /** The tensors that a layer gets, under different names. */
  tensors(slot: Slot, config: Config): TensorSpec[];
  /** Frozen tensors at the model's root that are saved with the adapter. */
  shared?(slots: readonly Slot[], config: Config): TensorSpec[];
  /**
   * Makes the module that replaces the layer.
   * @param parameters the slot's tensors and the shared ones, by name
   */
  build(slot: Slot, config: Config, parameters: ReadonlyMap<string, Parameter>): Adapter;
  /** The method's additions to training; undefined for none. */
  trainingHooks?(adapted: AdaptedModel<Config>): TrainingHooks;
  /** A layer's rank and scale, for reports. */
  facts(config: Config, path: string): LayerFacts;
}

/** A layer's rank and scale, for reports. */
export interface LayerFacts {
  readonly rank?: number;
  readonly scale?: number;
}

/** The file format of a method's settings and tensors: PEFT's keys and names if PEFT has the method. */
export interface AdapterCodec<Config extends AdapterConfig> {
  readonly peftType: string;
  /** Whether a file's keys belong to this method, if several have this `peft_type`. */
  isOwn?(json: JsonObject): boolean;
  /** The reason that PEFT cannot load such an adapter: bidora's own files then hold it, which PEFT does not recognize. */
  whyNotPeft?(config: Config): string | undefined;
  /** The method's own keys in adapter_config.json, with their defaults. */
  readonly defaults: JsonObject;
  /**
   * @param json the file's keys, with defaults for absent ones
   * @param metadata the contents of bidora.json
   * @throws BidoraError `ADAPTER_CONFIG` for a malformed or unsupported configuration
   */
  parse(file: string, json: JsonObject, metadata: JsonObject): Config;
  /** @param paths of the adapted modules @returns the method's own keys */
  render(config: Config, paths: readonly string[]): JsonObject;
  /** The settings that bidora.json keeps because PEFT has no key for them. */
  sideFacts?(config: Config): JsonObject;
  /** The names of its tensors in a layer, after the layer's path. */
  readonly suffixes: readonly string[];
  /** Names of its shared tensors: PEFT's files have them outside the model, under `base_model.`. */
  readonly shared?: readonly string[];
  /** The current name of a tensor that any version of PEFT wrote. */
  currentName?(name: string): string;
  /** How settings and tensors contradict each other, as a sentence without its period; undefined if they don't. */
  contradiction?(
    config: Config,
    tensors: ReadonlyMap<string, torch.Tensor>,
    paths: readonly string[],
  ): string | undefined;
}
