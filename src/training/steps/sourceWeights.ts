// Weights of training rows by their sources, which an upper level trains. Shapes: S sources.

import { group, sort } from "d3-array";
import { BidoraError } from "../../base/index.js";
import { TrainedTensor } from "../../models/adapters/index.js";
import { Parameter } from "../../models/nn/index.js";
import type { Sources } from "../../tasks/data/index.js";
import { type Batch, type EncodedExample, type Group, groupLosses, type Task } from "../../tasks/index.js";
import * as torch from "../../torch/index.js";

/** The weights w = softmax(a) of sources. A row's part of the loss is multiplied by S·w of its source, by 1 if it has none. */
export class SourceWeights {
  /** a [S], from 0. */
  readonly logits: TrainedTensor;

  constructor(
    readonly sources: Sources,
    dtype: torch.DType,
    device: string,
  ) {
    const start = torch.keep(torch.zeros([sources.names.length], { dtype, device })).setRequiresGrad(true);
    this.logits = new TrainedTensor("upper.sources", Parameter.of(start), "upper", true);
  }

  /** w by source. */
  values(): Record<string, number> {
    const weights = torch.noGrad(() => torch.scope(() => torch.softmax(this.logits.tensor, 0).toArray()));
    return Object.fromEntries(this.sources.names.map((name, i) => [name, weights[i]!]));
  }

  /** The groups of a batch's examples with a loss, by source; those without a source are the last group. */
  #groupsOf(task: Task, examples: readonly EncodedExample[]): readonly (readonly [source: number, group: Group])[] {
    const counted = [...examples.keys()].filter((i) => task.weight(examples[i]!) > 0);
    const bySource = group(counted, (i) => this.sources.indexOf(examples[i]!.at) ?? this.sources.names.length);
    return sort(bySource, ([source]) => source);
  }

  /** The batch, such that outputs are computed for its groups. */
  grouped(task: Task, batch: Batch): Batch {
    return { ...batch, groups: this.#groupsOf(task, batch.examples).map(([, members]) => members) };
  }

  /**
   * The weighted sum of the losses of a batch's examples.
   * @param isConstant whether the weights are constants to gradients
   */
  loss(task: Task, outputs: torch.Tensor, batch: Batch, isConstant = false): torch.Tensor {
    const groups = this.#groupsOf(task, batch.examples);
    const { dtype, device } = this.logits.tensor;
    const logits = isConstant ? torch.detach(this.logits.tensor) : this.logits.tensor;
    const all = torch.mulScalar(torch.softmax(logits, 0), this.sources.names.length);
    const weights = torch.cat([all, torch.ones([1], { dtype, device })], 0); // S + 1
    const index = torch.tensor(
      groups.map(([source]) => source),
      [groups.length],
      "int64",
      device,
    );
    const own = torch.indexSelect(weights, 0, index);
    const members = groups.map(([, group]) => group);
    const losses = torch.stack(groupLosses(task, outputs, batch, members).map((loss) => torch.reshape(loss, [])));
    return torch.sum(torch.mul(torch.castTo(losses, dtype), own));
  }

  /** @throws BidoraError `NO_SOURCE` for a source of which the lower level has no row */
  check(lower: readonly EncodedExample[]): void {
    const found = new Set(lower.map(({ at }) => this.sources.indexOf(at)));
    const missing = this.sources.names.find((_, i) => !found.has(i));
    if (missing === undefined) return;
    throw new BidoraError(
      "NO_SOURCE",
      `The lower level has no row of the source ${missing}, so its weight would mean nothing: use a larger --search-fraction or --train-limit, or --upper-train.`,
    );
  }
}
