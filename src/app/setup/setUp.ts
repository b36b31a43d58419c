// `bidora setup`: uses the engine that is there, or builds one.
import { resolve } from "node:path";
import { BidoraError, type CallContext, HINTED_COMMAND } from "../../base/index.js";
import { type EnginePlace, engineInUse, enginePlaces, isOutdated } from "../../torch/installations/index.js";
import { build, takeFromCache } from "./build.js";
import { hasHeaders, pythonTorch, requirePythonTorch } from "./python.js";
import type { System } from "./system.js";
import { installPackages, missingPackages } from "./systemPackages.js";

export interface SetupOptions {
  /** Install system packages without asking. */
  readonly yes: boolean;
  /** Build for the torch of the Python on the PATH. */
  readonly fromPython: boolean;
  /** Build in the clone, and install what its checks need. */
  readonly develop: boolean;
}

/**
 * Makes an engine usable: nothing if one is, else an addon is built for LIBTORCH, for the system's libtorch (which is installed
 * if that is possible), or for Python's.
 * @returns the engine in use
 * @throws BidoraError `SETUP` saying what is missing and how to get it
 */
export async function setUp(system: System, options: SetupOptions, context: CallContext): Promise<EnginePlace> {
  const chosen = options.fromPython ? usedPythonTorch(system) : libtorchFolder();
  const { fromPython, develop } = options;
  const isReady = !develop && ((!fromPython && isCurrent(engineInUse())) || (await takeFromCache(chosen)));
  if (!isReady) {
    const libtorch = (await provide(system, chosen, options, context)) ?? chosen;
    context.onNote?.("==> Native addon (built if it is not up to date)");
    await build(system, libtorch, context.signal);
  }
  const engine = engineInUse();
  if (engine.problem) throw engine.problem;
  context.onNote?.(`==> Ready: libtorch ${engine.libtorch ?? ""} with the addon in ${engine.folder}`);
  return engine;
}

/** The folder in LIBTORCH, if it is set. */
function libtorchFolder(): string | undefined {
  const folder = process.env.LIBTORCH;
  if (!folder) return undefined;
  if (hasHeaders(folder)) return resolve(folder);
  throw new BidoraError(
    "SETUP",
    `LIBTORCH is ${folder}, which has no libtorch to build for: set it to a folder with include/ and lib/, or unset it.`,
  );
}

/** Python's torch, unless another engine would be used all the same. */
function usedPythonTorch(system: System): string {
  const { folder } = requirePythonTorch(system);
  const first = enginePlaces().find(({ source, problem }) => source === "LIBTORCH" || problem === undefined);
  if (first === undefined || first.source === "setup") return folder;
  const what = first.source === "LIBTORCH" ? "LIBTORCH is set and" : `The ${first.source}`;
  throw new BidoraError(
    "SETUP",
    `${what} takes precedence over what --from-python builds: run \`LIBTORCH=${folder} ${HINTED_COMMAND} setup\`, and set LIBTORCH when running, too.`,
  );
}

/** An addon that was built from other sources is usable, but not up to date. */
const isCurrent = ({ source, folder, problem }: EnginePlace): boolean =>
  problem === undefined && (source === "platform package" || !isOutdated(folder));

/**
 * Installs what the build needs.
 * @returns the folder of another libtorch than `chosen` (undefined: the system's) where that can't be installed
 */
async function provide(
  system: System,
  chosen: string | undefined,
  { yes, develop }: SetupOptions,
  { onNote }: CallContext,
): Promise<string | undefined> {
  const missing = missingPackages(system, { libtorch: chosen === undefined, develop });
  onNote?.(`==> System packages: ${missing.join(" ") || "already installed"}`);
  if (missing.length === 0) return undefined;
  try {
    await installPackages(system, missing, yes);
    return undefined;
  } catch (refusal) {
    const python = chosen === undefined ? buildableTorch(system) : undefined;
    if (!python) throw refusal instanceof BidoraError ? withOthers(refusal) : refusal;
    onNote?.(
      `==> The libtorch of Python's torch ${python.version} (${python.folder}), as no system packages can be installed`,
    );
    return python.folder;
  }
}

/** Python's torch, if the tools to build for it are there. */
function buildableTorch(system: System) {
  const isBuildable = missingPackages(system, { libtorch: false, develop: false }).length === 0;
  return isBuildable ? pythonTorch(system) : undefined;
}

const withOthers = ({ code, message }: BidoraError): BidoraError =>
  new BidoraError(
    code,
    `${message} (Without an administrator: g++ in CXX, cmake and make from a prefix of your own, and --from-python for libtorch.)`,
  );
