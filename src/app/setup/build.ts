// Builds an addon and leaves it in the user's cache, complete or not at all.
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BidoraError, isClone, makeFolder, OWN_CACHE_SETTING, packageRoot } from "../../base/index.js";
import { holdFolder, replaceFolderAtomic, writeFileAtomic } from "../../base/records/index.js";
import {
  addonCache,
  cachedBuild,
  choiceFile,
  choiceOf,
  isUsable,
  ownBuild,
  stamps,
} from "../../torch/installations/index.js";
import type { System } from "./system.js";

/** What makes an addon: the addon, what is loaded before it, and what it was built for. */
const FILES = ["bidora.node", "prelude.node", "stamp.json"];

/**
 * Chooses the addon for the libtorch in `libtorch`, or for the system's, if this version has been built before.
 * @returns whether it has
 */
export async function takeFromCache(libtorch: string | undefined): Promise<boolean> {
  const name = stamps().buildName(libtorch);
  if (!isUsable(cachedBuild(name))) return false;
  if (isClone) await copyBuild(cachedBuild(name), ownBuild(name));
  choose(name);
  return true;
}

/**
 * Builds that addon and chooses it. Two set-ups at once wait for each other.
 * @throws BidoraError `SETUP` if it can't be built; what the compiler said is on stderr
 */
export async function build(system: System, libtorch: string | undefined, signal?: AbortSignal): Promise<void> {
  const name = stamps().buildName(libtorch);
  makeFolder(addonCache(), OWN_CACHE_SETTING);
  await holdFolder(addonCache(), () => buildOnce(system, libtorch, name, signal), { waits: true, signal });
  choose(name);
}

async function buildOnce(
  system: System,
  libtorch: string | undefined,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!isClone && isUsable(cachedBuild(name))) return; // by the set-up that was waited for
  removeUnfinished();
  const folder = isClone ? ownBuild(name) : mkdtempSync(join(addonCache(), BUILDING));
  try {
    const script = join(packageRoot, "scripts", "build-native.sh");
    const status = await system.run("bash", [script, folder], { LIBTORCH: libtorch ?? "" });
    signal?.throwIfAborted();
    if (status !== 0) {
      await sleep(LATE_SIGNAL_MS, undefined, { signal });
      throw new BidoraError("SETUP", "The native addon could not be built; the compiler's messages are above.");
    }
    await copyBuild(folder, cachedBuild(name));
  } finally {
    if (!isClone) rmSync(folder, { recursive: true, force: true });
  }
}

/** Builds of set-ups that were killed: no other one is running. */
function removeUnfinished(): void {
  for (const name of readdirSync(addonCache())) {
    if (name.startsWith(BUILDING)) rmSync(join(addonCache(), name), { recursive: true });
  }
}

const copyBuild = (from: string, to: string): Promise<void> =>
  replaceFolderAtomic(to, (fresh) => {
    for (const file of FILES) copyFileSync(join(from, file), join(fresh, file));
  });

/** Ctrl-C also ends the compiler, and this process may notice that before it receives the signal itself. */
const LATE_SIGNAL_MS = 200;

/** The folders of unfinished builds start with this. */
export const BUILDING = ".building-";

/** Makes a build the one that this installation uses. */
function choose(name: string): void {
  makeFolder(dirname(choiceFile()), OWN_CACHE_SETTING);
  writeFileAtomic(choiceFile(), `${JSON.stringify(choiceOf(name))}\n`);
}
