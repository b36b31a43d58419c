import type { Module } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type AdaptedModel, type AdaptedModule, adapterTensors } from "./adapted.js";
import type { InjectedConfig } from "./config.js";
import { squaredBaseNorm } from "./directionNorm.js";
import { DoraLinear } from "./dora.js";
import { DoraEmbedding, LoraEmbedding } from "./embedding.js";
import { LoraLinear } from "./lora.js";
import { drawLowRank, LowRank } from "./lowRank.js";
import { B_BIAS, findSlots, MAGNITUDE, type Slot, SUFFIXES } from "./slots.js";
import { ownCopy, trainWhole, wholeParameters } from "./whole.js";

export interface InjectOptions {
  readonly generator: torch.Generator;
  /** The dtype of trained tensors: float32, or float64 for checks. */
  readonly dtype?: torch.DType;
  /** Tensors to start from, by name without `base_model.model.`; `attachAdapter` checks that they fit. */
  readonly saved?: ReadonlyMap<string, torch.Tensor>;
}

/**
 * Puts adapters into a model from outside and marks what is trained: A and B, magnitudes, `modules_to_save`, and the
 * biases that the configuration names. Before the first step the model computes what it computed without them.
 * @throws BidoraError `TARGET`, `ADAPTER_CONFIG`, `PATTERN`
 */
export function inject<Config extends InjectedConfig>(
  model: Module,
  config: Config,
  options: InjectOptions,
): AdaptedModel<Config> {
  return torch.noGrad(() => {
    const dtype = options.dtype ?? "float32";
    const slots = findSlots(model, config);
    checkSize(slots, dtype, options.saved !== undefined);
    const modules = slots.map((slot) => adapt(slot, config, dtype, options));
    const whole = wholeParameters(model, config, new Set(slots.map(({ path }) => path)));
    const trained = [
      ...modules.flatMap(adapterTensors),
      ...whole.map((parameter) => trainWhole(parameter, dtype, options.saved?.get(parameter.name))),
    ];
    for (const { tensor } of trained) tensor.setRequiresGrad(true);
    return { config, modules, trained };
  });
}

/** What training holds for each number of a fresh adapter: itself, its gradient, and the optimiser's two means. */
const TRAINED_COPIES = 4;

function checkSize(slots: readonly Slot[], dtype: torch.DType, isSaved: boolean): void {
  const elements = slots.reduce((sum, slot) => sum + slot.rank * (slot.in + slot.out), 0);
  const rank = slots.reduce((most, slot) => Math.max(most, slot.rank), 0);
  torch.requireMemory(
    elements * torch.DTYPE_BYTES[dtype] * (isSaved ? 1 : TRAINED_COPIES),
    `An adapter of rank ${rank} in ${slots.length} modules`,
    "take a smaller --rank",
  );
}

/** Takes the adapters out again: the model computes what its weights say. */
export function eject(adapted: AdaptedModel): void {
  for (const { layer } of adapted.modules) layer.adapter = undefined;
}

/** Puts ejected adapters back in. */
export function reinject(adapted: AdaptedModel): void {
  for (const module of adapted.modules) {
    if (module.kind === "linear") module.layer.adapter = module.adapter;
    else module.layer.adapter = module.adapter;
  }
}

function adapt(slot: Slot, config: InjectedConfig, dtype: torch.DType, options: InjectOptions): AdaptedModule {
  const lowRank = savedLowRank(slot, config, dtype, options) ?? freshLowRank(slot, config, dtype, options);
  const { path, layer, kind } = slot;
  if (kind === "embedding") {
    const adapter =
      config.method === "dora"
        ? new DoraEmbedding(
            lowRank,
            startMagnitude(slot, "in", dtype, options),
            config.normGradient,
            layer.weight.tensor,
          )
        : new LoraEmbedding(lowRank);
    layer.adapter = adapter;
    return { kind, path, layer, adapter };
  }
  const adapter =
    config.method === "dora"
      ? new DoraLinear(
          lowRank,
          startMagnitude(slot, config.axis, dtype, options),
          config.axis,
          config.normGradient,
          layer.weight.tensor,
        )
      : new LoraLinear(lowRank);
  layer.adapter = adapter;
  return { kind, path, layer, adapter };
}

function savedLowRank(
  slot: Slot,
  config: InjectedConfig,
  dtype: torch.DType,
  { saved }: InjectOptions,
): LowRank | undefined {
  const copy = (suffix: string): torch.Tensor | undefined => {
    const tensor = saved?.get(`${slot.path}.${suffix}`);
    return tensor && ownCopy(tensor, dtype);
  };
  const { a, b } = SUFFIXES[slot.kind];
  const [copyA, copyB] = [copy(a), copy(b)];
  return copyA && copyB && new LowRank(copyA, copyB, copy(B_BIAS), slot.scale, config.dropout);
}

function freshLowRank(slot: Slot, config: InjectedConfig, dtype: torch.DType, { generator }: InjectOptions): LowRank {
  const lowRank =
    slot.kind === "linear"
      ? drawLowRank(slot, { scale: slot.scale, dropout: config.dropout, bBias: slot.hasBBias, dtype, generator })
      : drawEmbedding(slot, dtype, generator);
  for (const tensor of [lowRank.a, lowRank.b, lowRank.bBias]) if (tensor) torch.keep(tensor);
  return lowRank;
}

/** As PEFT: A zero, B normal. */
function drawEmbedding(slot: Slot, dtype: torch.DType, generator: torch.Generator): LowRank {
  const a = torch.zeros([slot.rank, slot.in], { dtype });
  const b = torch.normal_(torch.empty([slot.out, slot.rank], { dtype }), 0, 1, { generator });
  return new LowRank(a, b, undefined, slot.scale, 0);
}

/** The saved magnitudes, or ‖W0‖ along the axis, which is ‖V‖ as long as B·A is zero. */
function startMagnitude(slot: Slot, axis: "out" | "in", dtype: torch.DType, { saved }: InjectOptions): torch.Tensor {
  const magnitude = saved?.get(`${slot.path}.${MAGNITUDE}`);
  if (magnitude) return ownCopy(magnitude, dtype);
  return torch.keep(torch.scope(() => torch.sqrt(squaredBaseNorm(slot.layer.weight.tensor, axis, dtype))));
}
