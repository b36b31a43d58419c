// This program's version, those that it needs of others, and its cache folder.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "./installation.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** This program's cache folder, for what does not belong in the Hub's cache. */
export function ownCacheFolder(environment: Environment = process.env): string {
  return environment.BIDORA_HOME || join(userCache(environment), "bidora");
}

/** The environment variable that sets the user's cache folder. */
export const CACHE_SETTING = "XDG_CACHE_HOME";

/** The environment variables that set this program's cache folder. */
export const OWN_CACHE_SETTING = `BIDORA_HOME or ${CACHE_SETTING}`;

export function userCache(environment: Environment): string {
  return environment[CACHE_SETTING] || join(homedir(), ".cache");
}

interface PackageFile {
  readonly version: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

const packageFile = (): PackageFile =>
  JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as PackageFile;

/** This program's own version. */
export const packageVersion = (): string => packageFile().version;

/** The version of an npm package that this program needs but does not install. */
export const peerVersion = (name: string): string => packageFile().peerDependencies[name]!;
