/** One request's computation after the other, for models whose adapters can't be used in one pass. */
import type { AdapterRoutes } from "../../models/adapters/index.js";

export class Turns {
  /** The end of the last turn. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly routes: Pick<AdapterRoutes, "use">) {}

  /** Computes with an adapter when all turns before are over. @throws the signal's reason, if it is aborted by then */
  take<T>(adapter: string | undefined, signal: AbortSignal, compute: () => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      signal.throwIfAborted();
      const release = this.routes.use([{ adapter, tokens: 1, selected: 1 }]);
      try {
        return await compute();
      } finally {
        release();
      }
    });
    this.#last = result.catch(() => {});
    return result;
  }
}
