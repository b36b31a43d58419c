import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  aText,
  BidoraError,
  CONFIG_FILE,
  checkArguments,
  type Environment,
  ownCacheFolder,
  UsageError,
} from "../base/index.js";
import { type HubContext, type HubOptions, hubOptions, hubOptionsOf } from "./hub/options.js";
import { transformerFolder } from "./sentenceTransformers.js";

/**
 * The folder of a model or adapter: a local folder, or in it the one of sentence-transformers' transformer; a folder made for a GGUF file;
 * else a Hub repository (`org/name`, or `name`) from the cache, downloaded first if necessary.
 * @throws BidoraError `CHECKPOINT` for a path that does not exist, `GGUF` for a file that can't be used, `HUB_…` for what goes wrong
 *   with the Hub; UsageError for a folder with a revision
 */
export async function resolveModel(nameOrFolder: string, options: HubOptions = {}): Promise<string> {
  checkArguments("resolveModel", ["nameOrFolder", nameOrFolder, aText], ["options", options, hubOptions]);
  const found = existsSync(nameOrFolder) ? statSync(nameOrFolder) : undefined;
  if (found?.isDirectory()) {
    if (options.revision !== undefined) throw noRevision(nameOrFolder, "a folder");
    return transformerFolder(resolve(nameOrFolder));
  }
  if (found?.isFile() && isGguf(nameOrFolder)) {
    if (options.revision !== undefined) throw noRevision(nameOrFolder, "a file");
    return (await import("./gguf/modelFolder.js")).ggufModelFolder(nameOrFolder, options.environment);
  }
  if (found)
    throw new BidoraError(
      "CHECKPOINT",
      `${nameOrFolder} is a file; expected a model folder, a .gguf file or the name of a Hub repository.`,
    );
  if (!isRepository(nameOrFolder)) throw new BidoraError("CHECKPOINT", `There is no folder ${nameOrFolder}.`);
  const own = ownModelFolder(nameOrFolder, options.environment);
  if (options.revision === undefined && existsSync(join(own, CONFIG_FILE))) return own;
  // Loaded only when needed: a local folder needs no Hub client.
  return (await import("./hub/snapshot.js")).hubSnapshot(nameOrFolder, options);
}

/** `resolveModel` within a call. @param revision by default that in the options for the Hub */
export const modelFolder = (
  name: string,
  context: HubContext = {},
  revision = context.hub?.revision,
): Promise<string> => resolveModel(name, { ...hubOptionsOf(context), revision });

/** The folder of a model in bidora's own cache, where the quickstart puts a model that it has fetched from a package index. */
export const ownModelFolder = (name: string, environment?: Environment): string =>
  join(ownCacheFolder(environment), "models", name.replace("/", "--"));

const isGguf = (path: string): boolean => /\.gguf$/i.test(path);

function noRevision(path: string, what: string): UsageError {
  return new UsageError(`No effect: --revision is for a Hub repository, and ${path} is ${what}; leave it out.`);
}

function isRepository(name: string): boolean {
  return /^\w[\w.-]*(\/\w[\w.-]*)?$/.test(name) && !/--|\.\./.test(name);
}
