import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import { STATE } from "../files/checkpointState.js";
import { checksumsOf, sha256 } from "../files/checksums.js";
import { isJsonObject, readJsonObject } from "../files/json.js";
import { weightFileNames } from "../io/checkpoint.js";
import type { AnalyzedFolder } from "./analyzedFolder.js";

/** Sees that runs are told beside the weights that they began from; each model's files are read once. */
export class SameBase {
  readonly #digests = new Map<string, Promise<string>>();

  /**
   * @param model the folder of what is taken for the run's base
   * @throws BidoraError `MODEL_CHANGED` where the run's checkpoints say that it began from other weights
   */
  async check({ path, states }: Pick<AnalyzedFolder, "path" | "states">, model: string): Promise<void> {
    const then = states.flatMap(({ folder }) => weightsOf(folder) ?? [])[0];
    if (then === undefined || (await this.#digestOf(model)) === then) return;
    throw new BidoraError(
      "MODEL_CHANGED",
      `${path} began from other weights than those that are in ${model} now, so that nothing can be said of how far they moved: name the ones it began from by --model.`,
    );
  }

  #digestOf(model: string): Promise<string> {
    const found = this.#digests.get(model) ?? checksumsOf(model, weightFileNames(model)).then(sha256);
    this.#digests.set(model, found);
    return found;
  }
}

/** What a checkpoint keeps of the base's weights; nothing where it was saved elsewhere. */
function weightsOf(folder: string): string | undefined {
  const file = join(folder, STATE);
  const { madeFrom } = existsSync(file) ? readJsonObject(file) : {};
  return isJsonObject(madeFrom) && typeof madeFrom.weights === "string" ? madeFrom.weights : undefined;
}
