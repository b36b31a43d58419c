import { BidoraError } from "../../common/errors.js";
import { openSafetensors } from "../../io/safetensors.js";
import { isInteger } from "../../io/safetensorsDtypes.js";
import type { Tensor } from "../../torch/index.js";
import { B_BIAS, MAGNITUDE, SUFFIXES } from "../slots.js";

export const PEFT_PREFIX = "base_model.model.";

const OWN_SUFFIXES = [...Object.values(SUFFIXES).flatMap(({ a, b }) => [a, b]), B_BIAS, MAGNITUDE].map(
  (suffix) => `.${suffix}`,
);

/**
 * Reads all tensors of an adapter file, by name without `base_model.model.`.
 * @throws BidoraError `SAFETENSORS`, or `ADAPTER` when two tensors have one name
 */
export function readAdapterTensors(path: string): Map<string, Tensor> {
  const file = openSafetensors(path);
  try {
    const tensors = new Map<string, Tensor>();
    for (const key of file.names) {
      const name = plainName(key);
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
function plainName(key: string): string | undefined {
  // With `bias: "all"` PEFT saves a head's biases two times more: as the base has them, and under the wrapper's name.
  if (/\.(original_module|modules_to_save)\./.test(key)) return undefined;
  const name = key.startsWith(PEFT_PREFIX) ? key.slice(PEFT_PREFIX.length) : key;
  return name.endsWith(`.${MAGNITUDE}.weight`) ? name.slice(0, -".weight".length) : name;
}

/** The paths of the modules that the tensors of an adapter belong to, in the order given. */
export function adaptedPaths(names: Iterable<string>): string[] {
  const paths = new Set<string>();
  for (const name of names) {
    const suffix = OWN_SUFFIXES.find((end) => name.endsWith(end));
    if (suffix !== undefined) paths.add(name.slice(0, -suffix.length));
  }
  return [...paths];
}
