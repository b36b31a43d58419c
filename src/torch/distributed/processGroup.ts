// Processes that compute together, by c10d's process groups.
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { deserialize, serialize } from "node:v8";
import { BidoraError } from "../../base/index.js";
import { zeros } from "../generated/operators.js";
import type { Handle } from "../native/interface.js";
import { native } from "../native/native.js";
import { nativeObjects, scope } from "../ownership.js";
import { handlesOf, Tensor, tensor, tensorOf } from "../tensor.js";
import { coreOf, type Failure, failureOf, RankLost } from "./failures.js";
import { type Place, silenceLog } from "./place.js";
import { ALONE, type GradientSum, type Ranks } from "./ranks.js";

/** Whether this libtorch has process groups. */
export const hasProcessGroups = (): boolean => native.hasProcessGroups;

/** A rank among others. */
class ProcessGroup implements Ranks {
  readonly #handle: Handle;

  /** @param joinTimeout milliseconds in which all ranks must join */
  constructor(
    readonly place: Place,
    timeout: number,
    joinTimeout: number,
  ) {
    const { host, port, rank, size, servesStore, restarts } = place;
    const prefix = `bidora/${restarts}`;
    this.#handle = native.joinGroup(host, port, rank, size, servesStore, prefix, timeout, joinTimeout);
    nativeObjects.register(this, this.#handle, this);
  }

  /** Whether all ranks have joined. Until then, nothing else may be called. */
  get isJoined(): boolean {
    return native.groupIsJoined(this.#handle);
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
      gradients: ({ handle }) => native.groupGradients(this.#handle, handle, 1).map(tensorOf),
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

  announce(error: Error): void {
    if (this.rank === 0) native.groupPut(this.#handle, ANNOUNCED, coreOf(error));
  }

  fail(error: Error): void {
    const failure = JSON.stringify(failureOf(this.rank, error));
    if (this.rank === 0 || !this.#failure) native.groupPut(this.#handle, FAILURE, failure);
    this.announce(error);
    native.groupClose(this.#handle);
  }

  isAnnounced(error: Error): boolean {
    return this.rank > 0 && native.groupLook(this.#handle, ANNOUNCED).includes(coreOf(error));
  }

  leave(): void {
    nativeObjects.unregister(this);
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
      throw new RankLost((cause as Error).message, this.#failure, { cause });
    }
  }

  /** Why a rank ended, if one has said so. */
  get #failure(): Failure | undefined {
    const told = native.groupLook(this.#handle, FAILURE);
    return told ? JSON.parse(told) : undefined;
  }
}

/** The store's keys for the failure of rank 0, or else of the first rank that ends alone, and for what rank 0 prints. */
const FAILURE = "failure";
const ANNOUNCED = "announced";

/** Milliseconds between two looks at whether all have joined. */
const PAUSE = 10;

/** Milliseconds after the timeout at which libtorch stops waiting, so that it is this process that says who is missing. */
const LATER = 5000;

/**
 * Joins the ranks of a place, and waits until all have joined.
 * @throws BidoraError `RANKS` if they don't come together within the timeout, or if libtorch has no process groups; the signal's reason
 */
export async function joinRanks(
  place: Place | undefined,
  timeoutSeconds: number,
  signal?: AbortSignal,
): Promise<Ranks> {
  if (!place) return ALONE;
  silenceLog(process.env);
  if (!hasProcessGroups())
    throw new BidoraError(
      "RANKS",
      "This libtorch was built without Gloo, by which ranks compute together: use another one.",
    );
  const timeout = timeoutSeconds * 1000;
  const until = performance.now() + timeout;
  try {
    if (!place.servesStore) await untilListening(place, until, signal);
    const group = new ProcessGroup(place, timeout, until - performance.now() + LATER);
    while (!group.isJoined) {
      signal?.throwIfAborted();
      if (performance.now() >= until) throw new Error("not all have come");
      await sleep(PAUSE);
    }
    return group;
  } catch (cause) {
    signal?.throwIfAborted();
    throw notFound(place, timeoutSeconds, cause as Error);
  }
}

function notFound({ rank, size, host, port }: Place, seconds: number, cause: Error): BidoraError {
  const [first = ""] = cause.message.split("\n");
  const reason = /INTERNAL ASSERT/.test(first) ? "what answers there is not one of them" : first;
  return new BidoraError(
    "RANKS",
    `Rank ${rank} did not find the other ranks of ${size} at ${host}:${port} within ${seconds} s (${reason.replace(/\.$/, "")}): check that all ranks were started, and that MASTER_ADDR and MASTER_PORT are rank 0's.`,
    { cause },
  );
}

/** Milliseconds between two attempts. */
const LISTEN_PAUSE = 50;

/**
 * Waits until somebody listens at a store's address: c10d's own client tries for up to twice its timeout, and prints each failure.
 * @param until the time of `performance.now()` after which it fails @throws the last attempt's error; the signal's reason
 */
async function untilListening(
  { host, port }: Pick<Place, "host" | "port">,
  until: number,
  signal?: AbortSignal,
): Promise<void> {
  for (;;) {
    const left = AbortSignal.timeout(Math.max(1, Math.ceil(until - performance.now())));
    const socket = connect({ host, port });
    try {
      await once(socket, "connect", { signal: signal ? AbortSignal.any([signal, left]) : left });
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (left.aborted) throw new Error("no answer");
      if (performance.now() + LISTEN_PAUSE >= until) throw error;
    } finally {
      socket.on("error", () => {}).destroy();
    }
    await sleep(LISTEN_PAUSE, undefined, { signal });
  }
}
