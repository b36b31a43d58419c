// What would end in a signal, a wait without end or a linker's message is found out before libtorch is loaded.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { BidoraError } from "../common/errors.js";
import { addressSpaceProblem } from "./addressSpace.js";
import { addonPath, packageRoot, setupCommand } from "./installation.js";
import { environmentThreadsProblem, initialThreads } from "./threads.js";

const require = createRequire(import.meta.url);

/** Why libtorch cannot be loaded here; undefined when it can. */
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
    `The native addon in ${dirname(path)} does not fit: ${reason}; run \`${setupCommand()}\`.`,
  );
}

/** The build's own question; see there. */
function mismatch(buildFolder: string): string | undefined {
  const stamp = require(join(packageRoot, "scripts", "build-stamp.cjs")) as {
    mismatch(folder: string): string | undefined;
  };
  return stamp.mismatch(buildFolder);
}
