import { BidoraError } from "../common/errors.js";
import type { RunFolder } from "./runFolders.js";

/** What is asked for by name must be fit to be analysed; of a comparison the runs that are, and the others with a sentence each. */
export class UnfitRuns {
  readonly notes: string[] = [];

  /** What `body` gives, or undefined for a comparison's run that it finds unfit. @throws what `body` throws otherwise */
  async orElse<T>({ isFound }: RunFolder, body: () => Promise<T>): Promise<T | undefined> {
    try {
      return await body();
    } catch (error) {
      if (!(isFound && error instanceof BidoraError && error.code === "ANALYSIS")) throw error;
      this.notes.push(`Left out: ${error.message}`);
      return undefined;
    }
  }

  /** @throws BidoraError `ANALYSIS` where nothing is left */
  refuseNone<T>(left: T[]): T[] {
    if (left.length > 0) return left;
    throw new BidoraError("ANALYSIS", `None of the runs can be analyzed. ${this.notes.join(" ")}`);
  }
}
