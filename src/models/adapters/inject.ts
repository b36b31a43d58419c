import { checkArguments, formatCount } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import { Module, Parameter } from "../nn/index.js";
import { type AdaptedModel, type AdaptedModule, TrainedTensor, type TrainingHooks } from "./adapted.js";
import type { Adapter } from "./adapter.js";
import { type AdapterConfig, aConfig, aModule, anAdapted, WITH_GENERATOR } from "./adapterConfig.js";
import { methodOf } from "./adapterMethods.js";
import {
  type FullyTrained,
  fullyTrainedParameters,
  ownCopy,
  refuseQuantized,
  requireBiases,
  trainParameter,
} from "./fullTraining.js";
import type { LayerPart, TensorSpec } from "./method.js";
import { removeParts, startUpdates } from "./starts/start.js";
import type { Slot } from "./targets.js";

/** Options for adding an adapter to a model. */
export interface InjectOptions<Config extends AdapterConfig = AdapterConfig> {
  /** The layers of a custom method; by default those of the method that the configuration names. */
  readonly layers?: LayerPart<Config>;
  /** Initializes a new adapter's tensors. */
  readonly generator: torch.Generator;
  /** The dtype of trained tensors: float32, or float64 for checks. */
  readonly dtype?: torch.DType;
  /** Tensors to start from, by name without `base_model.model.`; `attachAdapter` checks that they fit. */
  readonly saved?: ReadonlyMap<string, torch.Tensor>;
}

/**
 * Adds adapters to a model and marks the trained tensors: those in its layers, `modules_to_save`, and the biases that the
 * configuration names. Before the first step the model's outputs are the same as without adapters.
 * @throws BidoraError `TARGET`, `ADAPTER_CONFIG`, `PATTERN`
 */
export function inject<Config extends AdapterConfig>(
  model: Module,
  config: Config,
  options: InjectOptions<Config>,
): AdaptedModel<Config> {
  checkArguments(
    "inject",
    ["model", model, aModule],
    ["config", config, aConfig],
    ["options", options, WITH_GENERATOR],
  );
  const { layers, generator, dtype = "float32", saved } = options;
  return torch.noGrad(() => {
    const plan = planOf(model, config, layers);
    if (plan.layers.length === 0) requireBiases(config, plan.whole);
    // A saved tensor replaces the model's own.
    refuseQuantized(plan.whole.filter(({ name }) => !saved?.has(name)));
    checkSize(plan, dtype, saved !== undefined, model.device);
    const fill: Fill = (name, spec) => {
      const own = saved?.get(name);
      const start = () => torch.onDevice(own ?? spec.start({ dtype, generator }), model.device);
      return Parameter.of(own ? ownCopy(start(), dtype) : torch.keep(torch.scope(start)));
    };
    const shared = shareAt(model, plan.shared, fill);
    const adapted = plan.layers.map((layer) => adapt(layer, shared, fill));
    const whole = plan.whole.map((parameter) => trainParameter(parameter, dtype, saved?.get(parameter.name)));
    const trained = [...adapted.flatMap((layer) => layer.trained), ...whole];
    for (const { tensor } of trained) tensor.setRequiresGrad(true);
    const modules = adapted.map(({ module }) => module);
    if (saved) removeParts(modules, config);
    else startUpdates(modules, config, generator);
    const injected = { model, config, modules, trained, shared };
    return { ...injected, hooks: plan.hooks(injected) };
  });
}

/** Values in memory per trained parameter: the parameter, its gradient, and the optimizer's two moments. */
const TRAINED_COPIES = 4;

function checkSize(
  { layers, shared }: Pick<Plan, "layers" | "shared">,
  dtype: torch.DType,
  isSaved: boolean,
  device: string,
): void {
  const trained = numbersOf(layers.flatMap(({ tensors }) => tensors));
  const numbers = trained + numbersOf(shared);
  torch.requireMemory(
    (isSaved ? numbers : numbers + (TRAINED_COPIES - 1) * trained) * torch.DTYPE_BYTES[dtype],
    `An adapter with ${formatCount(numbers)} parameters in ${layers.length} modules`,
    "make it smaller (--rank, --target-modules, --adapter-size)",
    { device },
  );
}

function numbersOf(specs: readonly TensorSpec[]): number {
  return specs.reduce((sum, { shape }) => sum + torch.numelOf(shape), 0);
}

/** Makes a parameter from a saved tensor, or initializes it. */
type Fill = (name: string, spec: TensorSpec) => Parameter;

class SharedTensors extends Module {
  constructor(specs: readonly TensorSpec[], fill: Fill) {
    super();
    for (const spec of specs) this.hold(spec.name, fill(spec.name, spec));
  }
}

function shareAt(model: Module, specs: readonly TensorSpec[], fill: Fill): Module | undefined {
  if (specs.length === 0) return undefined;
  model.setAdapter(new SharedTensors(specs, fill));
  return model.adapter;
}

/** Adds an adapter to one layer. */
function adapt(
  { slot, tensors, build }: PlannedLayer,
  shared: Module | undefined,
  fill: Fill,
): { readonly module: AdaptedModule; readonly trained: readonly TrainedTensor[] } {
  const own = tensors.map((spec) => [spec.name, fill(nameIn(slot, spec), spec)] as const);
  const parameters = new Map([...(shared?.ownParameters ?? []), ...own]);
  const adapter = build(parameters);
  adapter.own(own);
  slot.layer.setAdapter(adapter);
  // As in PyTorch, a parameter that no loss depends on is not changed, not even by weight decay.
  const isUnused = slot.kind === "linear" && slot.layer.isUnused;
  const moving = tensors.filter(({ isFrozen }) => !isFrozen);
  const trained = moving.map((spec) => {
    const { name, role = "direction", decays = true } = spec;
    return new TrainedTensor(nameIn(slot, spec), parameters.get(name)!, role, decays && !isUnused);
  });
  return { module: { ...slot, adapter }, trained };
}

/** Removes the adapters: the model computes with its own weights again. */
export function eject(adapted: AdaptedModel): void {
  checkArguments("eject", ["adapted", adapted, anAdapted]);
  const { model, modules, shared } = adapted;
  for (const { layer } of modules) layer.setAdapter(undefined);
  if (shared) model.setAdapter(undefined);
}

/** Adds ejected adapters again. */
export function reinject(adapted: AdaptedModel): void {
  checkArguments("reinject", ["adapted", adapted, anAdapted]);
  const { model, modules, shared } = adapted;
  for (const { layer, adapter } of modules) layer.setAdapter(adapter);
  if (shared) model.setAdapter(shared);
}

/** A layer that gets an adapter, with its tensors. */
interface PlannedLayer {
  readonly slot: Slot;
  readonly tensors: readonly TensorSpec[];
  build(parameters: ReadonlyMap<string, Parameter>): Adapter;
}

/** The name of a layer's tensor in the module tree and in a file. */
const nameIn = ({ path }: Slot, { name }: TensorSpec): string => `${path}.${name}`;

/** The layers and tensors that an adapter's settings give in a model, before any is created. */
interface Plan<Config extends AdapterConfig = AdapterConfig> {
  readonly layers: readonly PlannedLayer[];
  readonly shared: readonly TensorSpec[];
  readonly whole: readonly FullyTrained[];
  hooks(adapted: AdaptedModel<Config>): TrainingHooks | undefined;
}

/** @throws BidoraError `TARGET`, `ADAPTER_CONFIG`, `PATTERN` */
export function planOf<Config extends AdapterConfig>(
  model: Module,
  config: Config,
  part: LayerPart<Config> | undefined = methodOf(config).inLayers,
): Plan<Config> {
  const slots = part?.findSlots(model, config) ?? [];
  return {
    layers: part ? slots.map((slot) => planLayer(slot, config, part)) : [],
    shared: part?.shared?.(slots, config) ?? [],
    whole: fullyTrainedParameters(model, config, new Set(slots.map(({ path }) => path))),
    hooks: (adapted) => part?.trainingHooks?.(adapted),
  };
}

function planLayer<Config extends AdapterConfig>(slot: Slot, config: Config, part: LayerPart<Config>): PlannedLayer {
  return {
    slot,
    tensors: part.tensors(slot, config),
    build: (parameters) => part.build(slot, config, parameters),
  };
}

/** The tensors of an adapter file, by name without `base_model.model.`, with their shapes. */
export function plannedShapes({
  layers,
  shared,
  whole,
}: Pick<Plan, "layers" | "shared" | "whole">): Map<string, readonly number[]> {
  return new Map([
    ...shared.map(({ name, shape }) => [name, shape] as const),
    ...layers.flatMap(({ slot, tensors }) => tensors.map((spec) => [nameIn(slot, spec), spec.shape] as const)),
    ...whole.map(({ name, parameter }) => [name, parameter.storedShape] as const),
  ]);
}
