// Locates this installation: its folder, its command, whether it is a clone, and the package with its native parts.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
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
