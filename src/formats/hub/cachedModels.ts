/** The models in the Hub's cache on this machine. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { CONFIG_FILE } from "../../base/index.js";
import { cachedCommit, isWholeSnapshot, snapshotFolder } from "./cache.js";
import { hubCacheFolder } from "./options.js";

/** A model that can be opened without the Hub. */
export interface CachedModel {
  /** Its repository: `org/name`. */
  readonly name: string;
  /** Its snapshot. */
  readonly folder: string;
  readonly bytes: number;
}

const PREFIX = "models--";

/** The models whose branch `main` is in the cache as a whole, by name; adapters are left out. */
export function cachedModels(): CachedModel[] {
  const cache = hubCacheFolder(process.env);
  const names = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith(PREFIX)) : [];
  return names.sort().flatMap((name) => {
    const repository = join(cache, name);
    const commit = cachedCommit(repository, "main");
    const folder = commit === undefined ? undefined : snapshotFolder(repository, commit);
    if (folder === undefined || !existsSync(join(folder, CONFIG_FILE)) || !isWholeSnapshot(folder)) return [];
    return [{ name: name.slice(PREFIX.length).replaceAll("--", "/"), folder, bytes: bytesIn(folder) }];
  });
}

/** The bytes of the files in a folder; links count as what they lead to. */
const bytesIn = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => {
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    return sum + (found?.isFile() ? found.size : 0);
  }, 0);
