import { writeAll } from "../../src/files/atomic.js";
import type { TensorEntry } from "../../src/io/safetensors.js";
import type { SafetensorsDtype } from "../../src/io/safetensorsHeader.js";

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
