// Loads libtorch with the addon, at the first use of any of its functions.
import { createRequire } from "node:module";
import { BidoraError, setupCommandLine } from "../../base/index.js";
import { addonPath } from "../installations/inUse.js";
import { OPERATORS } from "../operatorNames.js";
import { type Handle, type Native, TorchError } from "./interface.js";
import { isAddressSpaceLimited } from "./limits.js";
import { engineProblem, loadPrelude } from "./prelude.js";

function load(): Native {
  const problem = engineProblem();
  if (problem) throw problem;
  const path = addonPath();
  try {
    loadPrelude(path);
    return require(path) as Native;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new BidoraError(
      "ENGINE_UNLOADABLE",
      `libtorch could not be loaded (${reason}): run \`${setupCommandLine()}\`, or set LIBTORCH to a folder with libtorch's include/ and lib/.`,
      { cause: error },
    );
  }
}

const require = createRequire(import.meta.url);

/** Runs a product on all threads so that OpenBLAS reserves its memory now; later it would wait forever if memory is short. */
function warmUp(addon: Native): void {
  const size = 256;
  const zeros = addon.fromBytes(new Uint8Array(4 * size * size), [size, size], "float32", "float32");
  for (const handle of [addon.call(OPERATORS.indexOf("aten::mm"), zeros, zeros) as Handle, zeros])
    addon.releaseOne(handle);
}

/** The addon. The first use of any of its functions loads libtorch and copies all functions to this object. */
export const native: Native = Object.create(
  new Proxy({} as Native, {
    get(_, name) {
      const addon = load();
      addon.declareOperators(OPERATORS);
      addon.setErrorFactory((message, operator, schema, shapes, hasFileChanged) =>
        hasFileChanged ? new BidoraError("FILE_CHANGED", message) : new TorchError(message, operator, schema, shapes),
      );
      if (isAddressSpaceLimited()) warmUp(addon);
      if (process.env.BIDORA_CPU) addon.setIsaVariant(process.env.BIDORA_CPU);
      Object.assign(native, addon);
      return addon[name as keyof Native];
    },
  }),
);
