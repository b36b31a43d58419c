// Addons that were built on this machine, by `bidora setup` or in a clone, and where they are.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import {
  BidoraError,
  isClone,
  ownCacheFolder,
  packageRoot,
  setupCommandLine,
  sizeOf,
  statOf,
} from "../../base/index.js";
import { isJsonObject, sha256 } from "../../base/records/index.js";

/** A place where libtorch and an addon for it may be. */
export interface EnginePlace {
  readonly source: "LIBTORCH" | "platform package" | "setup";
  /** The folder with the addon. */
  readonly folder: string;
  /** The version of libtorch, if known. */
  readonly libtorch: string | undefined;
  /** Size of libtorch and the addon, if both are there. */
  readonly bytes: number | undefined;
  /** Why it can't be used; undefined if it can. */
  readonly problem: BidoraError | undefined;
}

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
  /** @param folder with the sources, if not this installation's */
  sourcesHash(folder?: string): string;
  /** The name of the build for the libtorch in a folder, or for the system's. */
  buildName(libtorch?: string): string;
}

/** scripts/addon.cjs, which the build uses too; loaded late, as a bundler may have moved this file away from it. */
export const stamps = (): Stamps => createRequire(import.meta.url)(join(packageRoot, "scripts", "addon.cjs"));

const ADDON = "bidora.node";

/** The addon's file in a folder. */
export const addonIn = (folder: string): string => join(folder, ADDON);

/** The user's cache of addons, by the hash of their sources and the build's name. */
export const addonCache = (): string => join(ownCacheFolder(), "addons");

/** The hash of this installation's native sources. Several checks at each start ask for it, so that all sources are read only once. */
export function ownSources(): string {
  ownHash ??= stamps().sourcesHash();
  return ownHash;
}

let ownHash: string | undefined;

/** The cached addons of these native sources. */
const ownAddons = (): string => join(addonCache(), ownSources());

export const cachedBuild = (name: string): string => join(ownAddons(), name);

/** The folder with a file for each installation that set up an addon of these sources. */
const INSTALLATIONS = "installations";

/** What an installation set up. */
interface Choice {
  /** The folder of the package or the clone. */
  readonly installation: string;
  /** The build's name. */
  readonly build: string;
}

/** The file with what this installation set up last. */
export function choiceFile(): string {
  const key = sha256(packageRoot).slice(0, 12);
  return join(ownAddons(), INSTALLATIONS, `${key}.json`);
}

export const choiceOf = (build: string): Choice => ({ installation: packageRoot, build });

/** The installations that set up addons of one hash of sources. @param folder in the cache, with that hash for its name */
export function installationsOf(folder: string): string[] {
  const files = join(folder, INSTALLATIONS);
  if (statOf(files) === undefined) return [];
  return readdirSync(files).flatMap((name) => readChoice(join(files, name))?.installation ?? []);
}

function readChoice(path: string): Choice | undefined {
  try {
    const choice: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isChoice(choice) ? choice : undefined;
  } catch {
    return undefined;
  }
}

const isChoice = (value: unknown): value is Choice =>
  isJsonObject(value) && typeof value.installation === "string" && typeof value.build === "string";

/** Where this installation's build is: a clone builds in its own folder, step by step. */
export const ownBuild = (name: string): string =>
  isClone ? join(packageRoot, "build", `native-${name}`) : cachedBuild(name);

/** The addon for the libtorch in the folder `LIBTORCH`, or the system's. */
export const libtorchPlace = (libtorch: string | undefined): EnginePlace =>
  buildAt("LIBTORCH", stamps().buildName(libtorch));

/** The addon that the last set-up chose. */
export const setupPlace = (): EnginePlace => buildAt("setup", chosenBuild());

const chosenBuild = (): string => readChoice(choiceFile())?.build ?? "system";

function buildAt(source: EnginePlace["source"], name: string): EnginePlace {
  const folder = ownBuild(name);
  const stamp = stamps().readStamp(folder);
  return {
    source,
    folder,
    libtorch: stamp?.libtorch,
    bytes: stamp && bytesOf(folder, stamp),
    problem: problemOf(folder),
  };
}

/** Whether a folder has an addon that can be used. */
export const isUsable = (folder: string): boolean => problemOf(folder) === undefined;

/** Whether an addon was built from other native sources than those of this installation. */
export const isOutdated = (folder: string): boolean => stamps().readStamp(folder)?.sources !== ownSources();

const bytesOf = (folder: string, { libraries }: Stamp): number =>
  libraries.reduce((sum, { bytes }) => sum + bytes, sizeOf(addonIn(folder)));

function problemOf(folder: string): BidoraError | undefined {
  if (!existsSync(addonIn(folder))) {
    return new BidoraError(
      "ENGINE_MISSING",
      `The native addon is not built for this libtorch (expected ${addonIn(folder)}): run \`${setupCommandLine()}\`.`,
    );
  }
  const reason = stamps().mismatch(folder);
  if (reason === undefined) return undefined;
  return new BidoraError(
    "ENGINE_STALE",
    `The native addon in ${folder} cannot be used: ${reason}; run \`${setupCommandLine()}\`.`,
  );
}
