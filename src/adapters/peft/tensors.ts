import { BidoraError } from "../../common/errors.js";
import { openSafetensors } from "../../io/safetensors.js";
import { isInteger } from "../../io/safetensorsHeader.js";
import type { Tensor } from "../../torch/index.js";
import type { AdapterConfig } from "../config.js";
import type { AdapterCodec } from "../method.js";

const PEFT_PREFIX = "base_model.model.";
const SHARED_PREFIX = "base_model.";

type Codec = AdapterCodec<AdapterConfig>;

/**
 * Reads all tensors of an adapter file, by name without `base_model.model.`.
 * @throws BidoraError `SAFETENSORS`, or `ADAPTER` when two tensors have one name
 */
export function readAdapterTensors(path: string, codec: Codec): Map<string, Tensor> {
  const file = openSafetensors(path);
  try {
    const tensors = new Map<string, Tensor>();
    for (const key of file.names) {
      const name = plainName(key, codec);
      if (name === undefined) continue;
      if (tensors.has(name)) throw new BidoraError("ADAPTER", `${path} has two tensors for ${name}.`);
      const { dtype } = file.info(key);
      if (isInteger(dtype))
        throw new BidoraError("ADAPTER", `${path}: ${key} has dtype ${dtype}, but weights are floats.`);
      tensors.set(name, file.readTensor(key));
    }
    return tensors;
  } finally {
    file.close();
  }
}

/** The name that counts, whichever version of PEFT wrote it; undefined for a copy that has no effect. */
function plainName(key: string, { currentName, shared = [] }: Codec): string | undefined {
  // With `bias: "all"` PEFT saves a head's biases two times more: as the base has them, and under the wrapper's name.
  if (/\.(original_module|modules_to_save)\./.test(key)) return undefined;
  const own = shared.find((name) => key === SHARED_PREFIX + name);
  if (own !== undefined) return own;
  const name = key.startsWith(PEFT_PREFIX) ? key.slice(PEFT_PREFIX.length) : key;
  return currentName?.(name) ?? name;
}

/** And back. */
export function peftName(name: string, { shared = [] }: Codec): string {
  return (shared.includes(name) ? SHARED_PREFIX : PEFT_PREFIX) + name;
}

/** The paths of the modules that the tensors of an adapter belong to, in the order given. */
export function adaptedPaths(names: Iterable<string>, { suffixes }: Codec): string[] {
  const paths = new Set<string>();
  for (const name of names) {
    const suffix = suffixes.find((end) => name.endsWith(`.${end}`));
    if (suffix !== undefined) paths.add(name.slice(0, -suffix.length - 1));
  }
  return [...paths];
}
