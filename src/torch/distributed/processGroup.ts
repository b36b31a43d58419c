// Processes that compute together, by c10d's process groups.
import { setTimeout as sleep } from "node:timers/promises";
import { deserialize, serialize } from "node:v8";
import { BidoraError, showElsewhere } from "../../common/errors.js";
import { grad } from "../autograd.js";
import { zeros } from "../generated/operators.js";
import { endingAtSignals, type Handle, native } from "../native.js";
import { scope } from "../ownership.js";
import { Tensor, tensor } from "../tensor.js";
import { type Place, silenceLog } from "./place.js";

/**
 * The processes that train together. Every function must be called by all ranks, in the same order, and returns when all have called it.
 * @throws BidoraError `RANK_LOST` if a rank has ended, or does not answer within the timeout
 */
export interface Ranks {
  readonly rank: number;
  readonly size: number;
  /** Its number among the ranks of its machine. */
  readonly localRank: number;
  /** Sums over all ranks, as new tensors of the same shapes and dtype; the ranks get the same bits. */
  sum(tensors: readonly Tensor[]): readonly Tensor[];
  /** Begins a sum of a loss and its gradients. Until it is finished, no other sum may begin. */
  startSum(inputs: readonly Tensor[]): GradientSum;
  /** The values of all ranks, in the order of the ranks. Values are copied as by `structuredClone`. */
  gather<T>(value: T): readonly T[];
  /** Which of some conditions are true on any rank. */
  any(...areTrue: readonly boolean[]): readonly boolean[];
  /** Tells the others why this rank ends alone, by a sentence. They fail with it. */
  fail(failure: string): void;
  /** Whether rank 0 ends with a sentence too. */
  isKnown(failure: string): boolean;
  /** Leaves the group. */
  leave(): void;
}

/** A sum over all ranks of a loss and its gradients. */
export interface GradientSum {
  /**
   * This rank's gradients of `output` with respect to the inputs, which must be leaves; undefined where it does not depend on one. Ranks
   * send them to each other while the backward pass goes on, in buckets of 25 MiB.
   */
  gradients(output: Tensor): readonly (Tensor | undefined)[];
  /** The sums of the losses and, unless they have been sent, of these gradients. */
  finish(loss: Tensor, gradients: readonly Tensor[]): readonly [loss: Tensor, ...gradients: Tensor[]];
}

/** A sum that begins once all tensors are there. */
export const sumAtTheEnd = (sum: Ranks["sum"], inputs: readonly Tensor[]): GradientSum => ({
  gradients: (output) => grad([output], inputs, { allowUnused: true }),
  finish: (loss, gradients) => sum([loss, ...gradients]) as [Tensor, ...Tensor[]],
});

const unchanged: Ranks["sum"] = (tensors) => tensors;

/** A process that trains alone. */
export const ALONE: Ranks = {
  rank: 0,
  size: 1,
  localRank: 0,
  sum: unchanged,
  startSum: (inputs) => sumAtTheEnd(unchanged, inputs),
  gather: (value) => [value],
  any: (...areTrue) => areTrue,
  fail() {},
  isKnown: () => false,
  leave() {},
};

/** Whether this libtorch has process groups. */
export const hasProcessGroups = (): boolean => native.hasProcessGroups;

const handlesOf = (tensors: readonly Tensor[]): Handle[] => tensors.map(({ handle }) => handle);

const registry = new FinalizationRegistry<Handle>((handle) => native.releaseOne(handle));

/** A rank among others. */
class ProcessGroup implements Ranks {
  readonly #handle: Handle;

  constructor(
    readonly place: Place,
    timeoutSeconds: number,
  ) {
    const { host, port, rank, size, servesStore, restarts } = place;
    const prefix = `bidora/${restarts}`;
    this.#handle = native.joinGroup(host, port, rank, size, servesStore, prefix, timeoutSeconds * 1000);
    registry.register(this, this.#handle, this);
  }

  get rank(): number {
    return this.place.rank;
  }

  get size(): number {
    return this.place.size;
  }

  get localRank(): number {
    return this.place.localRank;
  }

  sum(tensors: readonly Tensor[]): readonly Tensor[] {
    if (tensors.length === 0) return tensors;
    native.groupStartSum(this.#handle, handlesOf(tensors));
    return this.#finishSum(tensors);
  }

  startSum(inputs: readonly Tensor[]): GradientSum {
    const [{ dtype, device }] = inputs as readonly [Tensor];
    scope(() => native.groupStartSum(this.#handle, handlesOf([zeros([], { dtype, device }), ...inputs])));
    return {
      gradients: ({ handle }) =>
        native.groupGradients(this.#handle, handle, 1).map((found) => (found === null ? undefined : new Tensor(found))),
      finish: (loss, gradients) => this.#finishSum([loss, ...gradients]) as [Tensor, ...Tensor[]],
    };
  }

  #finishSum(tensors: readonly Tensor[]): readonly Tensor[] {
    return this.#together(() =>
      native.groupFinishSum(this.#handle, handlesOf(tensors)).map((handle) => new Tensor(handle)),
    );
  }

  gather<T>(value: T): readonly T[] {
    const own = new Uint8Array(serialize(value));
    const sizes = this.#gather(tensor([own.length], [1], "int64")).map(([size]) => Number(size));
    const padded = new Uint8Array(Math.max(...sizes));
    padded.set(own);
    return this.#gather(tensor(padded)).map((bytes, rank) =>
      deserialize((bytes as Uint8Array).subarray(0, sizes[rank])),
    );
  }

  any(...areTrue: readonly boolean[]): readonly boolean[] {
    const counts = scope(() => this.sum([tensor(areTrue.map(Number))])[0]?.toArray());
    return areTrue.map((_, i) => counts?.[i] !== 0);
  }

  fail(failure: string): void {
    if (this.rank === 0 || !native.groupLook(this.#handle, FAILURE)) this.#put(endedWith(this.rank, failure));
    native.groupClose(this.#handle);
  }

  isKnown(failure: string): boolean {
    const known = native.groupLook(this.#handle, FAILURE);
    if (this.rank === 0 || !known) return false;
    return failure.endsWith(known) || known === endedWith(0, failure);
  }

  leave(): void {
    registry.unregister(this);
    native.releaseOne(this.#handle);
  }

  #gather(own: Tensor) {
    return scope(() =>
      this.#together(() => native.groupGather(this.#handle, own.handle)).map((handle) =>
        new Tensor(handle).toTypedArray(),
      ),
    );
  }

  #together<T>(body: () => T): T {
    try {
      return body();
    } catch (cause) {
      throw new BidoraError("RANK_LOST", this.#whyLost((cause as Error).message), { cause });
    }
  }

  #put(failure: string): void {
    try {
      native.groupPut(this.#handle, FAILURE, failure);
    } catch {
      // The store is gone: the others notice that this rank no longer answers.
    }
  }

  #whyLost(reason: string): string {
    const failure = native.groupLook(this.#handle, FAILURE);
    if (failure) return failure;
    return /timed? ?out/i.test(reason)
      ? "A rank was lost: another one did not answer within --timeout."
      : "A rank was lost: the connection to another one broke.";
  }
}

/** The store's key for the failure of rank 0, or else of the first rank that ends alone. */
const FAILURE = "failure";

const endedWith = (rank: number, failure: string): string => `Rank ${rank} ended: ${failure}`;

/**
 * Joins the ranks of a place, and waits until all have joined.
 * @throws BidoraError `RANKS` if they don't come together within the timeout, or if libtorch has no process groups
 */
export function joinRanks(place: Place | undefined, timeoutSeconds: number): Ranks {
  if (!place) return ALONE;
  const { rank, size, host, port } = place;
  silenceLog(process.env);
  if (!hasProcessGroups())
    throw new BidoraError(
      "RANKS",
      "This libtorch was built without Gloo, by which ranks compute together: use another one.",
    );
  try {
    return endingAtSignals(() => new ProcessGroup(place, timeoutSeconds));
  } catch (cause) {
    const [reason] = (cause as Error).message.split("\n");
    throw new BidoraError(
      "RANKS",
      `Rank ${rank} did not find the other ranks of ${size} at ${host}:${port} within ${timeoutSeconds} s (${reason}): check that all ranks were started, and that MASTER_ADDR and MASTER_PORT are rank 0's.`,
      { cause },
    );
  }
}

/** Milliseconds that rank 0, which may serve the store, waits before it leaves: the others read its failure after half that time. */
const READING = 1000;

async function tellOthers(ranks: Ranks, error: Error): Promise<void> {
  const { message } = error;
  let isKnown = ranks.isKnown(message);
  if (!(error instanceof BidoraError && error.code === "RANK_LOST")) {
    ranks.fail(message);
    await sleep(ranks.rank === 0 ? READING : READING / 2);
    isKnown ||= ranks.isKnown(message);
  }
  if (isKnown) showElsewhere(error);
}

/** Runs `body` as one of the ranks, and leaves them. If it fails here alone, the others end with its message. */
export async function asRank<T>(ranks: Ranks, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (ranks.size > 1) await tellOthers(ranks, error as Error);
    throw error;
  } finally {
    ranks.leave();
  }
}
