// Addons that were built on this machine, by `bidora setup` or in a clone, and where they are.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { BidoraError } from "../../common/errors.js";
import { isClone, packageRoot, setupCommand } from "../../common/installation.js";
import { ownCacheFolder } from "../../common/program.js";
import type { Engine } from "./engine.js";

/** What an addon was built from and for. */
interface Stamp {
  /** The hash of the native sources. */
  readonly sources?: string;
  readonly libtorch?: string;
  readonly libraries: readonly { readonly path: string; readonly bytes: number }[];
}

interface Stamps {
  mismatch(folder: string): string | undefined;
  readStamp(folder: string): Stamp | undefined;
  sourcesHash(): string;
}

/** scripts/addon.cjs, which the build uses too; loaded late, as a bundler may have moved this file away from it. */
export const stamps = (): Stamps => createRequire(import.meta.url)(join(packageRoot, "scripts", "addon.cjs"));

const ADDON = "bidora.node";

/** The addon's file in a folder. */
export const addonIn = (folder: string): string => join(folder, ADDON);

/** The name of a build: the libtorch that it is for, by its folder; the system's without one. */
export function buildName(libtorch: string | undefined): string {
  return libtorch ? createHash("sha256").update(resolve(libtorch)).digest("hex").slice(0, 12) : "system";
}

/** The user's cache of addons, by the hash of their sources and the build's name. */
export const addonCache = (): string => join(ownCacheFolder(), "addons");

/** The cached addons of these native sources. */
const ownAddons = (): string => join(addonCache(), stamps().sourcesHash());

export const cachedBuild = (name: string): string => join(ownAddons(), name);

/** The file with the name of the build that the last set-up chose. */
export const chosenFile = (): string => join(ownAddons(), "current");

/** Where a clone builds, step by step. */
export const cloneBuild = (name: string): string => join(packageRoot, "build", `native-${name}`);

/** The addon for the libtorch in the folder `LIBTORCH`. */
export const libtorchEngine = (libtorch: string): Engine => engineOf("LIBTORCH", buildName(libtorch));

/** The addon that the last set-up chose. */
export const setupEngine = (): Engine => engineOf("setup", isInClone("system") ? "system" : chosenBuild());

function chosenBuild(): string {
  try {
    return readFileSync(chosenFile(), "utf8").trim();
  } catch {
    return "system";
  }
}

const isInClone = (name: string): boolean => isClone && existsSync(addonIn(cloneBuild(name)));

function engineOf(source: Engine["source"], name: string): Engine {
  const folder = isInClone(name) ? cloneBuild(name) : cachedBuild(name);
  const stamp = stamps().readStamp(folder);
  return {
    source,
    folder,
    libtorch: stamp?.libtorch,
    bytes: stamp && bytesOf(folder, stamp),
    problem: problemOf(folder),
  };
}

/** Whether an addon was built from other native sources than those of this installation. */
export const isOutdated = (folder: string): boolean => stamps().readStamp(folder)?.sources !== stamps().sourcesHash();

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const bytesOf = (folder: string, { libraries }: Stamp): number =>
  libraries.reduce((sum, { bytes }) => sum + bytes, sizeOf(addonIn(folder)));

function problemOf(folder: string): BidoraError | undefined {
  if (!existsSync(addonIn(folder))) {
    return new BidoraError(
      "ENGINE_MISSING",
      `The native addon is not built for this libtorch (expected ${addonIn(folder)}): run \`${setupCommand()}\`.`,
    );
  }
  const reason = stamps().mismatch(folder);
  if (reason === undefined) return undefined;
  return new BidoraError(
    "ENGINE_STALE",
    `The native addon in ${folder} cannot be used: ${reason}; run \`${setupCommand()}\`.`,
  );
}
