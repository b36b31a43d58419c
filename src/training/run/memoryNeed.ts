import { BidoraError, type CallContext, formatBytes } from "../../base/index.js";
import type { AdaptedModel, TrainedTensor } from "../../models/adapters/index.js";
import { type LoadedModel, linearPaths } from "../../models/index.js";
import { type BaseDtype, Linear, type Parameter, WEIGHT_FORMATS } from "../../models/nn/index.js";
import { METHODS, type RunConfig } from "../../tasks/config/index.js";
import type { EncodedSplits } from "../../tasks/datasets/index.js";
import { type EncodedExample, tokensIn } from "../../tasks/index.js";
import * as torch from "../../torch/index.js";
import { OPTIMIZERS } from "../../torch/optim/index.js";
import { BatchStream } from "../loop/batches.js";
import { formOf } from "../steps/level.js";

/** The parts of a prepared run that take memory. */
export interface RunParts {
  readonly config: RunConfig;
  readonly loaded: LoadedModel;
  readonly adapted: AdaptedModel;
  readonly data: Pick<EncodedSplits, "train">;
}

/** The number of upcoming batches in which the largest is looked for. */
const BATCHES = 2000;

/** The format that is suggested: the smallest, and the closest of those. */
const PACKED: BaseDtype = "nf4";

/** A lower bound for the memory of a run in bytes: only what it can't do without is counted. */
export class MemoryNeed {
  readonly #trained: number;
  readonly #frozen: readonly Parameter[];
  /** The dense matrices that a format could hold. */
  readonly #packable: ReadonlySet<Parameter>;

  constructor(private readonly prepared: RunParts) {
    const { adapted, loaded, config } = prepared;
    const trained = new Set(adapted.trained.map(({ parameter }) => parameter));
    const all = new Set(Array.from(loaded.model.namedParameters(), ([, parameter]) => parameter));
    this.#frozen = [...all].filter((parameter) => !trained.has(parameter));
    this.#packable = packableIn(prepared);
    this.#trained = adapted.trained.reduce((sum, trained) => sum + trainedBytes(trained, config), 0);
  }

  get device(): string {
    return this.prepared.loaded.model.device;
  }

  /** Whether matrices could be packed that are not. */
  get isPackable(): boolean {
    return this.#packable.size > 0;
  }

  /** The bound with some settings changed. */
  with(change: Partial<RunConfig> = {}): number {
    const settings = { ...this.prepared.config, ...change };
    const bytes = torch.DTYPE_BYTES[torch.computeDtype(settings.dtype, this.device)];
    const format = change.baseDtype && WEIGHT_FORMATS.get(change.baseDtype);
    const isChanged = change.dtype !== undefined;
    const bytesOf = (parameter: Parameter): number => {
      const { shape, values } = parameter;
      if (format && this.#packable.has(parameter)) return format.bytesOf(shape);
      return isChanged && values.isDense ? torch.numelOf(shape) * bytes : values.bytes;
    };
    const frozen = this.#frozen.reduce((sum, parameter) => sum + bytesOf(parameter), 0);
    return frozen + this.#trained + this.#activations(settings, bytes);
  }

  /** The outputs of the layers' products for the largest batch: the backward pass needs each, or a tensor of the same size made from it. */
  #activations(settings: RunConfig, bytes: number): number {
    const widths = this.#widths();
    const { hiddenSize } = this.prepared.loaded.model.config;
    const kept = settings.gradientCheckpointing
      ? widths.length * hiddenSize + widths.reduce((most, width) => Math.max(most, width), 0)
      : widths.reduce((sum, width) => sum + width, 0);
    return largestBatch(this.prepared.data.train, settings) * kept * bytes;
  }

  /** The output sizes of the products of each layer from the lowest trained one on, except the last, which may compute some rows only. */
  #widths(): number[] {
    const { loaded, adapted } = this.prepared;
    const lowest = adapted.trained.reduce(
      (least, { name }) => Math.min(least, layerOf(name) ?? least),
      Number.POSITIVE_INFINITY,
    );
    const widths: number[] = [];
    for (const [path, module] of loaded.model.namedModules()) {
      const layer = layerOf(path);
      if (!(module instanceof Linear) || layer === undefined || layer < lowest) continue;
      widths[layer] = (widths[layer] ?? 0) + module.outFeatures;
    }
    return Object.values(widths.slice(0, -1));
  }
}

/** The frozen matrices that `--base-dtype` would pack: none if it is given, or the device can't decode them. */
function packableIn({ loaded, config }: RunParts): ReadonlySet<Parameter> {
  const isFull = METHODS[config.method].adapter === undefined;
  if (isFull || config.baseDtype !== undefined || loaded.model.device !== "cpu") return new Set();
  const weights = new Map(loaded.model.baseParameters());
  const found = linearPaths(loaded).packed.map((path) => weights.get(`${path}.weight`) as Parameter);
  return new Set(found.filter(({ values }) => values.isDense));
}

/** A trained tensor with its gradient, its initial value and the optimizer's state. */
function trainedBytes(trained: TrainedTensor, { optimizer, ...settings }: RunConfig): number {
  const forms = Object.values(OPTIMIZERS[optimizer].stateForms(formOf(trained), settings));
  const state = forms.reduce((sum, { shape, dtype }) => sum + torch.DTYPE_BYTES[dtype] * torch.numelOf(shape), 0);
  return 3 * trained.tensor.nbytes + state;
}

/** `encoder.layer.3.output` is in layer 3. */
function layerOf(path: string): number | undefined {
  const found = /\.(\d+)\./.exec(path)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The tokens of the largest batch, or a mini-batch's share of them, in the run's order of batches. */
function largestBatch(rows: readonly EncodedExample[], settings: RunConfig): number {
  const stream = new BatchStream(rows, settings);
  let [most, left] = [0, Math.min(BATCHES, stream.batchesPerPass)];
  for (const batch of stream.upcoming()) {
    const share = Math.min(1, (settings.miniBatchSize ?? batch.length) / batch.length);
    most = Math.max(most, tokensIn(batch) * share);
    if (--left === 0) break;
  }
  return most;
}

/** Flags with which a run fits in memory, the smallest change first. Undefined if none do. */
export function settingsThatFit(need: MemoryNeed, config: RunConfig, available: number): string | undefined {
  const fits = (change: Partial<RunConfig>) => need.with(change) <= available;
  const smaller = smallerBatches(config);
  const checkpointing = config.gradientCheckpointing ? [] : [{ gradientCheckpointing: true }];
  const isFull = METHODS[config.method].adapter === undefined;
  const isHalf = torch.computeDtype(config.dtype, need.device) !== "float32";
  const bfloat16 = isHalf || isFull ? [] : [{ dtype: "bfloat16" as const }];
  const packed = need.isPackable ? [{ baseDtype: PACKED }] : [];
  const alone = [smaller.find(fits), ...[...checkpointing, ...bfloat16, ...packed].filter(fits)].filter(
    (change) => change !== undefined,
  );
  if (alone.length > 0) return alone.map(flagsOf).join(", or ");
  const others: Partial<RunConfig> = Object.assign({}, ...checkpointing, ...bfloat16);
  const withBatches = (all: Partial<RunConfig>) => [all, ...smaller.map((change) => ({ ...all, ...change }))];
  const together = [others, ...packed.map((change) => ({ ...others, ...change }))].flatMap(withBatches).find(fits);
  return together && flagsOf(together);
}

function adviceFor(need: MemoryNeed, config: RunConfig, available: number, way: string): string {
  const fitting = settingsThatFit(need, config, available);
  return fitting === undefined ? "use a smaller model, or fewer trained parameters" : `${way} ${fitting}`;
}

/**
 * Notes that a run needs more memory than there is.
 * @param available bytes, measured before the weights were loaded
 */
export function noteNeed(need: MemoryNeed, config: RunConfig, available: number, { onNote }: CallContext): void {
  const bytes = need.with();
  if (bytes <= available) return;
  const advice = adviceFor(need, config, available, "it fits with");
  onNote?.(
    `This run needs at least ${formatBytes(bytes)} of memory, and ${formatBytes(available)} are available: ${advice}.`,
  );
}

/** Smaller batches that divide the batch evenly, with correspondingly more gradient accumulation. */
function smallerBatches({ batchSize, gradientAccumulation }: RunConfig): Partial<RunConfig>[] {
  const parts = Array.from({ length: batchSize }, (_, i) => i + 1).filter((part) => part > 1 && batchSize % part === 0);
  return parts.map((part) => ({ batchSize: batchSize / part, gradientAccumulation: gradientAccumulation * part }));
}

function flagsOf(change: Partial<RunConfig>): string {
  const { batchSize, gradientAccumulation, gradientCheckpointing, dtype, baseDtype } = change;
  return [
    ...(baseDtype === undefined ? [] : [`--base-dtype ${baseDtype}`]),
    ...(dtype === undefined ? [] : [`--dtype ${dtype}`]),
    ...(gradientCheckpointing ? ["--gradient-checkpointing"] : []),
    ...(batchSize === undefined
      ? []
      : [`--batch-size ${batchSize} with --gradient-accumulation ${gradientAccumulation}`]),
  ].join(" and ");
}

/** What libtorch's allocators say. */
const OUT_OF_MEMORY = /out of memory|can't allocate memory/i;
const TRIED = /tried to allocate ([\d.]+ \w+)/i;

/** Settings are looked for that need at most this share of the memory: what is counted is only a lower bound. */
const SHARE = 0.7;

/** Runs `body`. If it runs out of memory, the error says which settings need less. */
export async function advisingOnMemory<T>(run: RunParts, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof torch.TorchError && OUT_OF_MEMORY.test(error.message))) throw error;
    throw outOfMemory(run, error);
  }
}

function outOfMemory(run: RunParts, cause: torch.TorchError): BidoraError {
  const need = new MemoryNeed(run);
  const tried = TRIED.exec(cause.message)?.[1];
  const where = need.device === "cpu" ? "The process" : need.device;
  const what = tried === undefined ? "" : ` when it tried to allocate ${tried}`;
  const advice = adviceFor(need, run.config, SHARE * need.with(), "take");
  return new BidoraError("MEMORY", `${where} ran out of memory${what}: ${advice}.`, { cause });
}
