import { dirname } from "node:path";
import { UsageError } from "../../common/errors.js";
import { makeFolder } from "../../common/fileSystem.js";
import { freeFile } from "../../files/outputFolder.js";
import type { GgufPair } from "../../io/gguf/metadata.js";
import { type GgufEntry, writeGguf } from "../../io/gguf/writer.js";
import { besideModelfile, freeModelfile, type ModelfileParts, writeModelfile } from "./modelfile.js";

/** Where a GGUF file and its Modelfile go. */
export interface Destination {
  readonly path: string;
  readonly modelfile: string;
}

/** @throws UsageError for a name that is not a GGUF file's */
export function ggufName(output: string | undefined): string {
  if (output === undefined) throw new UsageError("--output is missing: name the .gguf file to write.");
  if (/\.gguf$/i.test(output)) return output;
  throw new UsageError(`--output ${output} must be the name of a .gguf file: model.gguf, or a folder's model.gguf.`);
}

/**
 * Looks before anything is computed whether the files may be written.
 * @param inputs files and folders that the command reads
 * @throws BidoraError `OUTPUT_IN_USE`, `OUTPUT`
 */
export function freeDestination(output: string, overwrite: boolean, inputs: readonly string[]): Destination {
  const path = freeFile(output, overwrite, inputs);
  return { path, modelfile: freeModelfile(path, overwrite) };
}

/** Writes the file, then the Modelfile, in which the file stands by its name. */
export function writeBoth(
  { path, modelfile }: Destination,
  metadata: readonly GgufPair[],
  tensors: readonly GgufEntry[],
  parts: (own: string) => ModelfileParts,
): void {
  makeFolder(dirname(path));
  writeGguf(path, metadata, tensors);
  writeModelfile(modelfile, parts(besideModelfile(path)));
}
