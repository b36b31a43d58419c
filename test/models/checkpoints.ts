import { join } from "node:path";
import type { JsonObject, JsonValue } from "../../src/base/records/json.js";
import { type Checkpoint, openCheckpoint } from "../../src/formats/checkpoint.js";
import { GOLDEN } from "../parity/goldenFiles.js";

export interface Changes {
  /** Overrides settings of config.json. */
  readonly config?: { readonly [key: string]: JsonValue | undefined };
  /** The new name of a tensor; undefined removes it. */
  readonly rename?: (name: string) => string | undefined;
}

/** A golden checkpoint with changed configuration and tensors. */
export function changedCheckpoint(folder: string, { config = {}, rename = (name) => name }: Changes): Checkpoint {
  const original = openCheckpoint(join(GOLDEN, folder));
  const sources = new Map<string, string>();
  for (const name of original.names) {
    const changed = rename(name);
    if (changed) sources.set(changed, name);
  }
  const of = (name: string) => sources.get(name) as string;
  return {
    ...original,
    config: { ...original.config, ...config } as JsonObject,
    names: Array.from(sources.keys()),
    has: (name) => sources.has(name),
    info: (name) => original.info(of(name)),
    readBytes: (name) => original.readBytes(of(name)),
    readTensor: (name) => original.readTensor(of(name)),
  };
}
