import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Place } from "./place.js";

/** Milliseconds between two attempts. */
const PAUSE = 50;

/**
 * Waits until somebody listens at a store's address: c10d's own client tries for up to twice its timeout, and prints each failure.
 * @param until the time of `performance.now()` after which it fails @throws the last attempt's error; the signal's reason
 */
export async function untilListening(
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
      if (performance.now() + PAUSE >= until) throw error;
    } finally {
      socket.on("error", () => {}).destroy();
    }
    await sleep(PAUSE, undefined, { signal });
  }
}
