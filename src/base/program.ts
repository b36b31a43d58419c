// This program's version, those that it needs of others, and its cache folder.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { BidoraError } from "./errors.js";
import { BUNDLED, isBundled, packageRoot } from "./installation.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** This program's cache folder as an absolute path, for what does not belong in the Hub's cache. */
export function ownCacheFolder(environment: Environment = process.env): string {
  return resolve(environment.BIDORA_HOME || join(userCache(environment), "bidora"));
}

/** The environment variable that sets the user's cache folder. */
export const CACHE_SETTING = "XDG_CACHE_HOME";

/** The environment variables that set this program's cache folder. */
export const OWN_CACHE_SETTING = `BIDORA_HOME or ${CACHE_SETTING}`;

export function userCache(environment: Environment): string {
  return environment[CACHE_SETTING] || join(home(), ".cache");
}

/** @throws BidoraError `NO_HOME` in a container's user that the system does not know */
function home(): string {
  const folder = knownHome();
  if (folder) return folder;
  throw new BidoraError("NO_HOME", `This user has no home folder to cache files in: set ${OWN_CACHE_SETTING} to one.`);
}

function knownHome(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

interface PackageFile {
  readonly version: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

function packageFile(): PackageFile {
  if (isBundled) throw new BidoraError("BUNDLED", BUNDLED);
  return JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as PackageFile;
}

/** This program's own version. */
export const packageVersion = (): string => packageFile().version;

/** The version of an npm package that this program needs but does not install. */
export const peerVersion = (name: string): string => packageFile().peerDependencies[name]!;

/** The platform packages that there are. */
export const platformPackages = (): readonly string[] => Object.keys(packageFile().optionalDependencies);
