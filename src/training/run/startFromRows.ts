// Starts of new adapters that are computed from the first training batches, by passes over the model without adapters.

import {
  type AdaptedModel,
  type AdapterConfig,
  type AdapterMethod,
  beginFrom,
  doubling,
  evaStart,
  type GradientPasses,
  type InputPasses,
  inject,
  type LowRankConfig,
  loraGaStart,
  methodOf,
  type Slot,
  setStart,
  shareStart,
} from "../../models/adapters/index.js";
import type { TaskModel } from "../../models/index.js";
import { EVALUATION } from "../../models/nn/index.js";
import { type Batch, batchOf, type EncodedExample, hasSeveralTexts, lossWeight, type Task } from "../../tasks/index.js";
import type { Generator, Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import { MiniBatches } from "../steps/gradientCache.js";
import { withOwnSums } from "../steps/takeBatches.js";

/** The starts that rows decide on. */
export type RowStart = "eva" | "lora-ga";

/** Whether a run's new adapter starts so; methods without low-rank updates have no start. */
export const isRowStart = (start: string, { options }: Pick<AdapterMethod, "options">): start is RowStart =>
  "initLoraWeights" in options && (start === "eva" || start === "lora-ga");

/** What is computed before the first step, for the user. */
export function noteOnBatches(start: RowStart, batches: readonly (readonly EncodedExample[])[]): string {
  const rows = batches.reduce((sum, { length }) => sum + length, 0);
  const what = start === "eva" ? "the principal components of the layers' inputs" : "the mean gradient of the weights";
  return `--init-lora-weights ${start} starts from ${what} on the first ${batches.length} training batches (${rows} rows).`;
}

/** What the passes need. */
interface Passes {
  readonly model: TaskModel;
  readonly task: Task;
  /** The rows of each batch. All ranks compute all of them. */
  readonly batches: readonly (readonly EncodedExample[])[];
  readonly ranks: Ranks;
}

interface Made {
  readonly generator: Generator;
  readonly dtype: "float32" | "float64";
}

type Config = LowRankConfig & AdapterConfig;

/** Adds a new adapter with such a start. @throws BidoraError `ADAPTER_CONFIG` for layers that cannot start so */
export function injectFromRows(
  start: RowStart,
  config: Config,
  passes: Passes,
  made: Made,
): AdaptedModel<AdapterConfig> {
  const slots = methodOf(config).inLayers!.findSlots(passes.model, config);
  return start === "eva" ? injectEva(slots, config, passes, made) : injectLoraGa(slots, config, passes, made);
}

function injectEva(slots: readonly Slot[], own: Config, passes: Passes, made: Made): AdaptedModel<AdapterConfig> {
  const { model, ranks } = passes;
  const { config, components } = evaStart(slots, own, inputPasses(passes));
  // Machines may round differently: the ranks are rank 0's.
  const adapted = inject(model, ranks.gather(config)[0]!, made);
  torch.noGrad(() => {
    for (const { path, adapter } of adapted.modules) {
      const { tensor } = adapter.lowRank!.parameters.a;
      torch.copy_(tensor, torch.narrow(components.get(path)!, 0, 0, tensor.shape[0]!));
    }
  });
  shareStart(adapted.modules, ranks);
  return adapted;
}

function inputPasses({ model, task, batches }: Passes): InputPasses {
  const each = (compute: (batch: Batch) => void) => () => {
    for (const rows of batches) torch.scope(() => compute(withOwnSums(task, model, batchOf(rows, model.device))));
  };
  const head = each((batch) => void new MiniBatches(task, model, batch, EVALUATION).loss());
  // Only the task knows how several texts of a row go into the model.
  const layers = hasSeveralTexts(task) ? head : each((batch) => void model.hiddenStates(batch, EVALUATION));
  return { layers, head };
}

function injectLoraGa(slots: readonly Slot[], config: Config, passes: Passes, made: Made): AdaptedModel<AdapterConfig> {
  const found = loraGaStart(slots, config, gradientPasses(passes));
  const adapted = inject(passes.model, config, made);
  torch.noGrad(() => {
    for (const module of adapted.modules) {
      setStart(module.adapter.lowRank!, found.get(module.path)!);
      beginFrom(module, true);
    }
  });
  shareStart(adapted.modules, passes.ranks);
  return doubling(adapted);
}

function gradientPasses({ model, task, batches }: Passes): GradientPasses {
  const counting = batches
    .map((rows) => batchOf(rows, model.device))
    .filter((batch) => lossWeight(task, batch) > 0)
    .map((batch) => withOwnSums(task, model, batch));
  const lossOf = (batch: Batch) => new MiniBatches(task, model, batch, { masks: undefined }).loss();
  return {
    batches: Math.max(1, counting.length),
    tokens: batches.flat().reduce((sum, { inputIds }) => sum + inputIds.length, 0),
    run(onLoss) {
      for (const batch of counting) torch.scope(() => onLoss(torch.divScalar(lossOf(batch), lossWeight(task, batch))));
    },
  };
}
