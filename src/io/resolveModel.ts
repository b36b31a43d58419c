import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { BidoraError, UsageError } from "../common/errors.js";
import type { HubOptions } from "./hub/snapshot.js";

/**
 * The folder of a model or adapter: a local folder as it is, else a Hub repository (`org/name`, or `name`) out of the cache, fetched
 * first where needed.
 * @throws BidoraError `CHECKPOINT` for a path that does not exist, `HUB_…` for what goes wrong with the Hub; UsageError for a
 *   folder with a revision
 */
export async function resolveModel(nameOrFolder: string, options: HubOptions = {}): Promise<string> {
  const found = existsSync(nameOrFolder) ? statSync(nameOrFolder) : undefined;
  if (found?.isDirectory()) {
    if (options.revision !== undefined)
      throw new UsageError(
        `No effect: --revision is for a Hub repository, and ${nameOrFolder} is a folder; leave it out.`,
      );
    return resolve(nameOrFolder);
  }
  if (found)
    throw new BidoraError(
      "CHECKPOINT",
      `${nameOrFolder} is a file; expected a model folder or the name of a Hub repository.`,
    );
  if (!isRepository(nameOrFolder)) throw new BidoraError("CHECKPOINT", `There is no folder ${nameOrFolder}.`);
  // Loaded where it is needed: a local folder needs no Hub client.
  const { QUICKSTART_MODEL, quickstartModel } = await import("./quickstartModel.js");
  if (nameOrFolder === QUICKSTART_MODEL && options.revision === undefined) return quickstartModel(options);
  return (await import("./hub/snapshot.js")).hubSnapshot(nameOrFolder, options);
}

function isRepository(name: string): boolean {
  return /^\w[\w.-]*(\/\w[\w.-]*)?$/.test(name) && !/--|\.\./.test(name);
}
