// Batches whose rows are compared with each other, while each rank computes the outputs of its own rows.

import type { EncodedExample, Task } from "../../tasks/index.js";
import type { Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import type { Exchange, TangentTape } from "../../torch/tangents/index.js";
import type { BatchShare } from "./shares.js";

/** A rank's tensor as the others receive it. */
type Sent = { readonly bytes: Uint8Array; readonly shape: readonly number[]; readonly dtype: torch.DType } | undefined;

/** The outputs of all ranks, with their rows. */
interface Met {
  readonly outputs: torch.Tensor;
  readonly rows: readonly EncodedExample[];
}

/**
 * The ranks' outputs of one batch, brought together: each rank computes the loss of the whole batch and differentiates it with respect to
 * its own outputs, so that the ranks' gradients add up to the loss's. The outputs of the others are constants to it, whose tangents it
 * receives. All ranks must meet, also those without rows.
 */
export class Meeting {
  #exchange: Exchange | undefined;

  constructor(
    readonly ranks: Ranks,
    readonly share: BatchShare,
  ) {}

  /** Whether the loss of the whole batch counts on this rank: it counts on one. */
  get counts(): boolean {
    return this.share.own !== undefined && this.share.begin === 0;
  }

  /** What the newest pass exchanged. */
  get exchange(): Exchange | undefined {
    return this.#exchange;
  }

  /**
   * @param own this rank's outputs
   * @param rows its rows, in the order of the outputs
   */
  join(own: torch.Tensor, rows: readonly EncodedExample[]): Met {
    const { whole } = this.share;
    const places = new Map(whole.map((row, i) => [row, i]));
    const found = this.ranks.gather({ sent: sentOf(own), rows: rows.map((row) => places.get(row) as number) });
    const parts = found.map(({ sent }, rank) => (rank === this.ranks.rank ? own : received(sent, own.device)));
    const here = parts.filter((part) => part !== undefined);
    const { shape, dtype, device } = own;
    this.#exchange = {
      own,
      others: here.filter((part) => part !== own),
      tangents: (tangent) => this.#exchangeTangents(tangent ?? torch.zeros(shape, { dtype, device })),
    };
    return { outputs: torch.cat(here, 0), rows: found.flatMap((part) => part.rows.map((i) => whole[i]!)) };
  }

  /** For a rank without rows. */
  joinWithout(): void {
    this.ranks.gather({ sent: undefined, rows: [] });
  }

  /** What a rank without rows has in place of a recorded pass: it only meets the others. */
  tapeWithout(wanted: readonly torch.Tensor[]): TangentTape {
    return {
      gradientsAlong: () => {
        this.ranks.gather<Sent>(undefined);
        return wanted.map((tensor) => torch.zerosLike(tensor));
      },
      dispose() {},
    };
  }

  #exchangeTangents(own: torch.Tensor): torch.Tensor[] {
    const found = this.ranks.gather<Sent>(sentOf(own)).filter((_, rank) => rank !== this.ranks.rank);
    return found.map((sent) => received(sent, own.device)).filter((tensor) => tensor !== undefined);
  }
}

/** Where the ranks meet for a batch; undefined if its loss is the sum of its rows' losses. */
export function meetingOf(ranks: Ranks, task: Task, share: BatchShare): Meeting | undefined {
  return ranks.size > 1 && task.contrastive?.comparesExamples(share.whole) ? new Meeting(ranks, share) : undefined;
}

const sentOf = (tensor: torch.Tensor): Sent => ({ bytes: tensor.bytes(), shape: tensor.shape, dtype: tensor.dtype });

const received = (sent: Sent, device: string): torch.Tensor | undefined =>
  sent && torch.fromBytes(sent.bytes, sent.shape, sent.dtype, device);
