// native/prelude: the small addon that is loaded before libtorch. It loads libtorch in another thread, and ends the process at a second signal.
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { BidoraError } from "../../base/index.js";
import { addonPath, engineInUse } from "../installations/inUse.js";
import { addressSpaceProblem, environmentThreadsProblem, initialThreads } from "./limits.js";

/** Why libtorch cannot be loaded; undefined if it can. Checked first, as it could end in a signal, an endless wait or a linker error. */
export function engineProblem(): BidoraError | undefined {
  return engineInUse().problem ?? environmentThreadsProblem() ?? addressSpaceProblem(initialThreads());
}

const require = createRequire(import.meta.url);

const PRELUDE = "prelude.node";

/** The exports of native/prelude. */
interface Prelude {
  preload(path: string): void;
  finishPreload(): void;
  watchSignal(signal: number, graceMs: number): void;
  unwatchSignal(signal: number): void;
}

/** Must be called before libtorch is loaded. */
export function loadPrelude(path: string): Prelude {
  return require(join(dirname(path), PRELUDE));
}

function preludeIfBuilt(): Prelude | undefined {
  try {
    return loadPrelude(addonPath());
  } catch {
    return undefined;
  }
}

/** When libtorch began to be loaded, by `performance.now`. */
let began: number | undefined;

/**
 * Starts loading libtorch in another thread, as that takes a few hundred milliseconds that the first call would otherwise wait for. The
 * first call reports errors.
 */
export function preloadEngine(): void {
  if (began !== undefined || engineProblem()) return;
  const prelude = preludeIfBuilt();
  if (!prelude) return;
  began = performance.now();
  prelude.preload(addonPath());
  process.once("exit", prelude.finishPreload);
}

/** About how long loading libtorch takes, in milliseconds. */
const LOADING_MS = 400;

/**
 * Waits for other work while libtorch is being loaded: the first call would only block this thread, which the results of that work need.
 * @throws what the work throws meanwhile
 */
export async function whileLoading(work: Promise<unknown>): Promise<void> {
  const left = began === undefined ? 0 : began + LOADING_MS - performance.now();
  if (left > 0) await Promise.race([work, setTimeout(left, undefined, { ref: false })]);
}

/** Signals that ask a process to terminate. */
type EndingSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/**
 * Ends the process immediately, with status 130, at a second signal that arrives after the grace time, even while the event loop is
 * blocked. Node must have handlers for the signals until watching ends. Does nothing if the addon is not built.
 * @returns a function that stops watching
 */
export function endAtSecondSignal(signals: readonly EndingSignal[], graceMs: number): () => void {
  const prelude = preludeIfBuilt();
  if (!prelude) return () => {};
  for (const signal of signals) prelude.watchSignal(constants.signals[signal], graceMs);
  return () => {
    for (const signal of signals) prelude.unwatchSignal(constants.signals[signal]);
  };
}
