// Batches whose outputs are computed one mini-batch at a time, for losses that compare the rows of a batch.
import type { TaskModel } from "../../models/index.js";
import type { ForwardContext } from "../../models/nn/index.js";
import { type Batch, outputsOf, type Task } from "../../tasks/index.js";
import * as torch from "../../torch/index.js";
import type { Meeting } from "../ranks/meeting.js";
import type { SourceWeights } from "./sourceWeights.js";

/** A batch's outputs by mini-batches. Each has masks of its own, so that both ways to a gradient draw the same ones. */
export class MiniBatches {
  readonly #batches: readonly Batch[];
  /** The batch with its rows in the order of the outputs. */
  readonly #whole: Batch;
  readonly #contexts: readonly ForwardContext[];

  constructor(
    readonly task: Task,
    readonly model: TaskModel,
    batch: Batch,
    context: ForwardContext,
    readonly meeting?: Meeting,
    readonly sourceWeights?: SourceWeights | undefined,
    readonly onOutputs?: ((outputs: torch.Tensor, batch: Batch) => void) | undefined,
  ) {
    const parts = task.contrastive?.miniBatches(batch) ?? [batch];
    this.#batches = sourceWeights ? parts.map((part) => sourceWeights.grouped(task, part)) : parts;
    this.#whole = { ...batch, examples: this.#batches.flatMap(({ examples: rows }) => rows) };
    const { masks } = context;
    this.#contexts = this.#batches.map((_, i) =>
      i === 0 ? context : { ...context, masks: masks?.part?.(i) ?? masks },
    );
  }

  get count(): number {
    return this.#batches.length;
  }

  /** The batch's loss, as a sum, from all outputs at once. To be called once: masks continue where they are. */
  loss(): torch.Tensor {
    const outputs = this.#batches.map((_, i) => this.#outputs(i, this.#contexts[i]!));
    return this.#loss(outputs.length === 1 ? outputs[0]! : torch.cat(outputs, 0));
  }

  /**
   * The loss (a number, without a graph), and for each mini-batch a function for a number whose gradients are the mini-batch's term of the loss's.
   * So only one mini-batch's intermediate results are in memory at a time: first come the outputs, then the loss's gradient with respect
   * to them, then each mini-batch again, from that gradient back (Gao, Zhang, Han & Callan, "Scaling Deep Contrastive Learning Batch Size
   * under Memory Limited Setup", 2021, section 3.2).
   * @param weight that the loss's sum is divided by
   * @param inputs of which the loss may be a function besides the outputs
   * @returns `direct` has the gradients for these
   */
  terms(
    weight: number,
    inputs: readonly torch.Tensor[],
  ): {
    readonly loss: torch.Tensor;
    readonly direct: readonly (torch.Tensor | undefined)[];
    readonly terms: readonly (() => torch.Tensor)[];
  } {
    const parts = this.#batches.map((_, i) => torch.noGrad(() => torch.scope(() => this.#outputs(i, this.#again(i)))));
    const outputs = torch.cat(parts, 0).setRequiresGrad(true);
    const loss = torch.divScalar(this.#loss(outputs), weight);
    const [gradient, ...direct] = torch.grad([loss], [outputs, ...inputs], { allowUnused: true });
    let end = 0;
    const terms = parts.map(({ shape: [count = 0] }, i) => {
      end += count;
      const own = torch.narrow(gradient as torch.Tensor, 0, end - count, count);
      return () => torch.sum(torch.mul(this.#outputs(i, this.#again(i)), own));
    });
    return { loss: torch.detach(loss), direct, terms };
  }

  /** @param outputs of this rank's rows */
  #loss(outputs: torch.Tensor): torch.Tensor {
    this.onOutputs?.(outputs, this.#whole);
    if (!this.meeting) return this.#lossOf(outputs, this.#whole);
    const all = this.meeting.join(outputs, this.#whole.examples);
    return this.#lossOf(all.outputs, { ...this.#whole, examples: all.rows });
  }

  /** Where ranks compute the loss of a whole batch, it depends on the weights of sources on the one where it counts. */
  #lossOf(outputs: torch.Tensor, batch: Batch): torch.Tensor {
    const { task, sourceWeights, meeting } = this;
    return sourceWeights
      ? sourceWeights.loss(task, outputs, batch, meeting?.counts === false)
      : task.loss(outputs, batch);
  }

  #outputs(i: number, context: ForwardContext): torch.Tensor {
    return outputsOf(this.task, this.model, this.#batches[i]!, context);
  }

  /** A mini-batch's context from its start. */
  #again(i: number): ForwardContext {
    const context = this.#contexts[i]!;
    return { ...context, masks: context.masks?.again?.() ?? context.masks };
  }
}
