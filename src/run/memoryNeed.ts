import type { AdaptedModel } from "../adapters/index.js";
import { METHODS, type RunConfig } from "../config/index.js";
import type { EncodedSplits } from "../datasets/index.js";
import type { LoadedModel } from "../models/index.js";
import { Linear, type Weight } from "../nn/index.js";
import { OPTIMIZERS } from "../optim/index.js";
import type { EncodedRow } from "../tasks/index.js";
import * as torch from "../torch/index.js";
import { BatchStream } from "../train/batches.js";

/** What decides about a run's memory, of its settings. */
export type MemorySettings = Pick<
  RunConfig,
  "batchSize" | "gradientAccumulation" | "gradientCheckpointing" | "dtype" | "shuffle" | "dropLast" | "seed"
>;

/** The parts of a prepared run that take memory. */
interface RunParts {
  readonly config: RunConfig;
  readonly loaded: LoadedModel;
  readonly adapted: AdaptedModel;
  readonly data: Pick<EncodedSplits, "train">;
}

/** Batches that are looked ahead at for the largest. */
const BATCHES = 2000;

/** What a run takes at the least, in bytes: nothing that it could do without is counted, so that it takes more in fact. */
export class MemoryNeed {
  readonly #trained: number;
  readonly #frozen: readonly Weight[];

  constructor(private readonly prepared: RunParts) {
    const { adapted, loaded, config } = prepared;
    const trained = new Set(adapted.trained.map(({ parameter }) => parameter));
    const all = new Set(Array.from(loaded.model.namedParameters(), ([, parameter]) => parameter));
    this.#frozen = [...all].filter((parameter) => !trained.has(parameter)).map(({ values }) => values);
    this.#trained = adapted.trained.reduce((sum, { tensor }) => sum + trainedBytes(tensor, config), 0);
  }

  /** With these settings in the place of the run's own. */
  with(change: Partial<MemorySettings> = {}): number {
    const settings: MemorySettings = { ...this.prepared.config, ...change };
    const bytes = torch.DTYPE_BYTES[torch.computeDtype(settings.dtype)];
    const isChanged = change.dtype !== undefined;
    const bytesOf = (frozen: Weight) =>
      isChanged && frozen.isDense ? torch.numelOf(frozen.shape) * bytes : frozen.bytes;
    const frozen = this.#frozen.reduce((sum, weight) => sum + bytesOf(weight), 0);
    return frozen + this.#trained + this.#activations(settings, bytes);
  }

  /** Of the largest batch, what the layers' products give: the backward pass asks for each, or for something as large made of it. */
  #activations(settings: MemorySettings, bytes: number): number {
    const widths = this.#widths();
    const { hiddenSize } = this.prepared.loaded.model.config;
    const kept = settings.gradientCheckpointing
      ? widths.length * hiddenSize + widths.reduce((most, width) => Math.max(most, width), 0)
      : widths.reduce((sum, width) => sum + width, 0);
    return largestBatch(this.prepared.data.train, settings) * kept * bytes;
  }

  /** Outputs of all products of each layer that has one to train in or below it, but for the last, of which some rows may be enough. */
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

/** A trained tensor, its gradient, what it was at the start, and what the optimizer remembers of it. */
function trainedBytes({ shape, nbytes }: torch.Tensor, { optimizer, ...settings }: RunConfig): number {
  const memories = Object.values(OPTIMIZERS[optimizer].remembers(shape, settings));
  return 3 * nbytes + memories.reduce((sum, memory) => sum + 4 * torch.numelOf(memory), 0);
}

/** `encoder.layer.3.output` is in layer 3. */
function layerOf(path: string): number | undefined {
  const found = /\.(\d+)\./.exec(path)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Tokens of the largest batch, by the run's own order of batches. */
function largestBatch(rows: readonly EncodedRow[], settings: MemorySettings): number {
  const stream = new BatchStream(rows, settings);
  let [most, left] = [0, Math.min(BATCHES, stream.batchesPerPass)];
  for (const batch of stream.upcoming()) {
    most = Math.max(
      most,
      batch.reduce((sum, { inputIds }) => sum + inputIds.length, 0),
    );
    if (--left === 0) break;
  }
  return most;
}

/** What of the settings makes a run take less, as flags: the least change that fits first. Undefined where none does. */
export function settingsThatFit(need: MemoryNeed, config: RunConfig, available: number): string | undefined {
  const fits = (change: Partial<MemorySettings>) => need.with(change) <= available;
  const smaller = smallerBatches(config);
  const checkpointing = config.gradientCheckpointing ? [] : [{ gradientCheckpointing: true }];
  const isFull = METHODS[config.method].adapter === undefined;
  const bfloat16 = torch.computeDtype(config.dtype) === "bfloat16" || isFull ? [] : [{ dtype: "bfloat16" as const }];
  const alone = [smaller.find(fits), ...[...checkpointing, ...bfloat16].filter(fits)].filter(
    (change) => change !== undefined,
  );
  if (alone.length > 0) return alone.map(flagsOf).join(", or ");
  const others: Partial<MemorySettings> = Object.assign({}, ...checkpointing, ...bfloat16);
  const together = [others, ...smaller.map((change) => ({ ...others, ...change }))].find(fits);
  return together && flagsOf(together);
}

/** Whole parts of the batch, with as many more batches in a step. */
function smallerBatches({ batchSize, gradientAccumulation }: RunConfig): Partial<MemorySettings>[] {
  const parts = Array.from({ length: batchSize }, (_, i) => i + 1).filter((part) => part > 1 && batchSize % part === 0);
  return parts.map((part) => ({ batchSize: batchSize / part, gradientAccumulation: gradientAccumulation * part }));
}

function flagsOf({ batchSize, gradientAccumulation, gradientCheckpointing, dtype }: Partial<MemorySettings>): string {
  return [
    ...(dtype === undefined ? [] : [`--dtype ${dtype}`]),
    ...(gradientCheckpointing ? ["--gradient-checkpointing"] : []),
    ...(batchSize === undefined
      ? []
      : [`--batch-size ${batchSize} with --gradient-accumulation ${gradientAccumulation}`]),
  ].join(" and ");
}
