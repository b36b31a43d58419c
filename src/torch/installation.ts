// Locates this installation, and checks before loading libtorch for problems that would otherwise end in a signal, an endless wait or a
// linker error.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { BidoraError } from "../common/errors.js";
import { addressSpaceProblem, environmentThreadsProblem, initialThreads } from "./limits.js";

const require = createRequire(import.meta.url);

/** The folder with package.json. */
export const packageRoot = findRoot();

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** The addon's path for the libtorch in use; scripts/build-native.sh names its build folders in the same way. */
export function addonPath(): string {
  const libtorch = process.env.LIBTORCH;
  const name = libtorch ? createHash("sha256").update(resolve(libtorch)).digest("hex").slice(0, 12) : "system";
  return join(packageRoot, "build", `native-${name}`, "bidora.node");
}

/** The command that runs this installation from any folder; npx would look for a package, perhaps in the registry. */
export const ownCommand: readonly string[] = [process.execPath, join(packageRoot, "bin", "bidora.js")];

/** The command as messages show it: npx finds the project's own installation, and does not install anything. */
export const HINTED_COMMAND = "npx --no -- bidora";

/** The command that builds the addon: an npm script in a clone, bidora's own command if it is installed as a package. */
export function setupCommand(): string {
  return existsSync(join(packageRoot, "src")) ? "npm run setup" : `${HINTED_COMMAND} setup`;
}

/** Why libtorch cannot be loaded; undefined if it can. */
export function engineProblem(): BidoraError | undefined {
  return addonProblem() ?? environmentThreadsProblem() ?? addressSpaceProblem(initialThreads());
}

export function checkEngine(): void {
  const problem = engineProblem();
  if (problem) throw problem;
}

function addonProblem(): BidoraError | undefined {
  const path = addonPath();
  if (!existsSync(path)) {
    return new BidoraError(
      "ENGINE_MISSING",
      `The native addon is not built for this libtorch (expected ${path}): run \`${setupCommand()}\`.`,
    );
  }
  const reason = mismatch(dirname(path));
  if (reason === undefined) return undefined;
  return new BidoraError(
    "ENGINE_STALE",
    `The native addon in ${dirname(path)} cannot be used: ${reason}; run \`${setupCommand()}\`.`,
  );
}

/** See scripts/build-stamp.cjs. */
function mismatch(buildFolder: string): string | undefined {
  const stamp = require(join(packageRoot, "scripts", "build-stamp.cjs")) as {
    mismatch(folder: string): string | undefined;
  };
  return stamp.mismatch(buildFolder);
}
