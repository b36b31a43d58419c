// The libtorch in a Python installation's torch.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError } from "../../base/index.js";
import type { System } from "./system.js";

/** A Python's torch. */
export interface PythonTorch {
  /** The package's folder, with include/ and lib/. */
  readonly folder: string;
  readonly version: string;
}

const PYTHON = "python3";

/** Without importing torch, which takes seconds. Prints its folder and version. */
const SCRIPT = `
import importlib.metadata, importlib.util, os
print(os.path.dirname(importlib.util.find_spec("torch").origin))
print(importlib.metadata.version("torch"))
`;

/** Whether a folder has libtorch's C++ headers. */
export const hasHeaders = (folder: string): boolean => existsSync(join(folder, "include", "torch", "csrc", "api"));

/** The torch of the Python on the PATH; undefined if there is none, or one without what is needed to build against it. */
export function pythonTorch(system: System): PythonTorch | undefined {
  const [folder, version] = system.output(PYTHON, ["-c", SCRIPT])?.split("\n") ?? [];
  if (!folder || !version || !hasHeaders(folder)) return undefined;
  return { folder, version };
}

/** As `pythonTorch`. @throws BidoraError `SETUP` if there is none */
export function requirePythonTorch(system: System): PythonTorch {
  const found = pythonTorch(system);
  if (found) return found;
  const where = system.output(PYTHON, ["-c", "import sys; print(sys.executable)"]);
  throw new BidoraError(
    "SETUP",
    where
      ? `${where} has no torch with its C++ headers: install one (${PYTHON} -m pip install torch), or activate the environment that has it.`
      : `--from-python takes the torch of the ${PYTHON} on the PATH, and there is no ${PYTHON}: install Python and torch, or activate the environment that has them.`,
  );
}
