// This program's version and its cache folder.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

/** This program's cache folder, for what does not belong in the Hub's cache. */
export function ownCacheFolder(environment: Environment = process.env): string {
  return join(userCache(environment), "bidora");
}

/** The environment variable that sets the user's cache folder. */
export const CACHE_SETTING = "XDG_CACHE_HOME";

export function userCache(environment: Environment): string {
  return environment[CACHE_SETTING] || join(homedir(), ".cache");
}

/** This program's own version. */
export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
