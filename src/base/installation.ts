// This installation: its folder, its command, its version, whether it is a clone, the package with its native parts, and its cache folder.
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { BidoraError } from "./errors.js";
import { ownUrl, require } from "./require.js";

const here = dirname(fileURLToPath(ownUrl));

/** The folder with bidora's package.json; this file's own folder if a bundler has moved the code out of the package. */
export const packageRoot = findRoot(here) ?? here;

/** Whether a bundler has moved the code out of the package. */
export const isBundled = packageRoot === here;

/** That, as a sentence with what to do. */
export const BUNDLED = `A bundler moved bidora's code to ${packageRoot}, away from its packages: exclude it from the bundle (esbuild: --external:bidora).`;

/** Whether this is a clone of the repository, not an installed package. */
export const isClone = existsSync(join(packageRoot, "src", "torch"));

function findRoot(folder: string): string | undefined {
  if (nameIn(folder) === "bidora") return folder;
  return dirname(folder) === folder ? undefined : findRoot(dirname(folder));
}

function nameIn(folder: string): unknown {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).name;
  } catch {
    return undefined;
  }
}

/** The command that runs this installation from any folder; npx would look for a package, perhaps in the registry. */
export const ownCommand: readonly string[] = [process.execPath, join(packageRoot, "bin", "bidora.js")];

/** The command as messages show it: npx finds the project's own installation, and does not install anything. */
export const HINTED_COMMAND = "npx --no -- bidora";

/** The command that builds the addon: an npm script in a clone, bidora's own command if it is installed as a package. */
export function setupCommandLine(): string {
  return isClone ? "npm run setup" : `${HINTED_COMMAND} setup`;
}

/** The npm package with libtorch, the addon and the tokenizers' binary for this platform, on Linux for glibc; there may be none. */
export const PLATFORM_PACKAGE = `@bidora/${process.platform}-${process.arch}${process.platform === "linux" ? "-gnu" : ""}`;

/** That package's folder; undefined if it is not installed where Node finds it from here. */
export function platformPackageFolder(): string | undefined {
  try {
    return dirname(require.resolve(`${PLATFORM_PACKAGE}/package.json`));
  } catch {
    return undefined;
  }
}

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

/** A hash of this program as it was built; undefined if its sources run without a build. */
export function buildDigest(): string | undefined {
  const file = join(dirname(here), "digest");
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** The version of an npm package that this program needs but does not install. */
export const peerVersion = (name: string): string => packageFile().peerDependencies[name]!;

/** The platform packages that there are. */
export const platformPackages = (): readonly string[] => Object.keys(packageFile().optionalDependencies);
