import { writeAll } from "../../src/base/records/atomic.js";
import type { TensorEntry } from "../../src/formats/safetensors/safetensors.js";
import type { SafetensorsDtype } from "../../src/formats/safetensors/safetensorsHeader.js";

/** An entry for given bytes. */
export function bytesEntry(
  name: string,
  dtype: SafetensorsDtype,
  shape: readonly number[],
  bytes: Uint8Array,
): TensorEntry {
  return {
    name,
    dtype,
    shape,
    byteLength: bytes.length,
    write: (descriptor, position) => writeAll(descriptor, bytes, position),
  };
}
