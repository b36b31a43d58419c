import type { JsonObject } from "../files/json.js";
import type { Module, Parameter, SubLayerOutputs } from "../nn/index.js";
import type { OptionTable, Values } from "../settings/option.js";
import type * as torch from "../torch/index.js";
import type { AdaptedModel, TrainedRole, TrainingHooks } from "./adapted.js";
import type { Adapter } from "./adapter.js";
import type { AdapterConfig, TargetModules } from "./config.js";
import type { Slot } from "./targets.js";

/** A run's settings as a method gets them: with defaults, and with the layers that the architecture has by default. */
export type MethodSettings<Options extends OptionTable> = Values<Options> & { readonly targetModules: TargetModules };

/** A tensor that an adapter is saved as. What follows from these and the base (a cached norm, say) is no such tensor. */
export interface TensorSpec {
  /** After the layer's path; one that all layers share stands by itself. The name in the module tree and in the file. */
  readonly name: string;
  readonly shape: readonly number[];
  /** By default `direction`. */
  readonly role?: TrainedRole;
  /** Weight decay applies, by default. */
  readonly decays?: boolean;
  /** Its value in a fresh adapter, with which the model computes what it computed before. */
  start(draw: { readonly dtype: torch.DType; readonly generator: torch.Generator }): torch.Tensor;
}

/**
 * An adapter method: one file in `methods/`, one line in `registry.ts`. What it may be:
 *
 * - Tensors in layers (LoRA, DoRA): `findSlots` names the layers, `tensors` what each gets, `build` makes of it the module that
 *   stands in the layer's place. A weight is always [out, in] here: that GPT-2's Conv1D stores it the other way round is known to
 *   the codec alone, as `fan_in_fan_out`. A few layers only: `layersToTransform`, which `findSlots` reads.
 * - Tensors that all layers share and nobody trains (VeRA's projections): `shared`.
 * - No tensors at all (BitFit): nothing in layers; `bias` and `modulesToSave` of its settings say what of the model is trained and saved.
 * - A module behind a layer (a bottleneck after a sub-layer's dense layer, before its dropout): an adapter whose `forward` goes on
 *   from `layer.base(x)`, and whose `whyNotMerged` gives the reason.
 * - Ranks that change while it trains (AdaLoRA): the masked values are tensors in the layers, the penalty and what follows each
 *   optimiser step are `trainingHooks`, cropping is the codec's.
 */
export interface AdapterMethod<
  Config extends AdapterConfig = AdapterConfig,
  Options extends OptionTable = OptionTable,
> {
  /** For people, in a few words. */
  readonly about: string;
  /** A learning rate that suits small and base-size encoders. */
  readonly learningRate: number;
  /** The settings of a run that it uses. Several methods may share one; a run has all of them. */
  readonly options: Options;
  /** Of its settings those that a run may choose again when it starts from a saved adapter. Its config has the same names for them. */
  readonly retunable: readonly (keyof Options & string)[];
  /** Defaults of its settings that follow from others. */
  derived?(settings: Values<Options>): Partial<Values<Options>>;
  /** @throws UsageError for settings that contradict each other */
  check?(settings: Values<Options>): void;
  /** The method's own configuration, with defaults for what is absent. */
  config(options: Partial<Config>): Config;
  /** Turns a run's settings into the method's configuration. @param outputs the layers that the model's sub-layers end with */
  fromSettings(settings: MethodSettings<Options>, outputs: SubLayerOutputs): Partial<Config>;
  /** And back: the settings that a saved adapter decides in a run that starts from it. */
  toSettings(config: Config): Partial<Values<Options>>;
  /** What it puts into layers; undefined where nothing. */
  readonly inLayers?: LayerPart<Config>;
  readonly codec: AdapterCodec<Config>;
}

/** What an adapter method puts into layers. */
export interface LayerPart<Config extends AdapterConfig> {
  /** The layers that it goes to. @throws BidoraError `TARGET`, `ADAPTER_CONFIG`, `PATTERN` */
  findSlots(model: Module, config: Config): Slot[];
  /** The tensors that a layer gets, each under a name of its own. */
  tensors(slot: Slot, config: Config): TensorSpec[];
  /** Tensors at the model's root that are saved, and not trained. */
  shared?(slots: readonly Slot[], config: Config): TensorSpec[];
  /**
   * Makes the module that stands in the layer's place.
   * @param parameters the slot's tensors and the shared ones, by name
   */
  build(slot: Slot, config: Config, parameters: ReadonlyMap<string, Parameter>): Adapter;
  /** What it does beside the optimiser; undefined where nothing. Not called by a bi-level run. */
  trainingHooks?(adapted: AdaptedModel<Config>): TrainingHooks;
  /** What differs from layer to layer, for people. */
  facts(config: Config, path: string): LayerFacts;
}

/** What differs from layer to layer, for people. */
export interface LayerFacts {
  readonly rank?: number;
  readonly scale?: number;
}

/** How a method's settings and tensors are written and read: PEFT's keys and names where PEFT has it. */
export interface AdapterCodec<Config extends AdapterConfig> {
  readonly peftType: string;
  /** Of several methods with this `peft_type`, whether the keys of a file are this one's. */
  isOwn?(json: JsonObject): boolean;
  /** Why PEFT can't hold such an adapter: it then lies in files of this program's own, which PEFT does not take for its. */
  whyNotPeft?(config: Config): string | undefined;
  /** Every key of its own in adapter_config.json, with the value that an absent one has. */
  readonly defaults: JsonObject;
  /**
   * @param json the file's keys, with defaults for absent ones
   * @param metadata what bidora.json says beside it
   * @throws BidoraError `ADAPTER_CONFIG` for what is malformed or would be computed wrongly
   */
  parse(file: string, json: JsonObject, metadata: JsonObject): Config;
  /** @param paths of the modules that have an adapter @returns its own keys */
  render(config: Config, paths: readonly string[]): JsonObject;
  /** What bidora.json keeps of the settings, as PEFT has no key for it. */
  sideFacts?(config: Config): JsonObject;
  /** What the names of its tensors in a layer end in, after the layer's path. */
  readonly suffixes: readonly string[];
  /** Names of its shared tensors: in PEFT's files they stand outside of the model, under `base_model.`. */
  readonly shared?: readonly string[];
  /** A tensor's name now, whichever version of PEFT wrote it. */
  currentName?(name: string): string;
  /** Why settings and tensors contradict each other: a sentence without its end, or undefined. */
  contradiction?(
    config: Config,
    tensors: ReadonlyMap<string, torch.Tensor>,
    paths: readonly string[],
  ): string | undefined;
}
