/** The destination of a GGUF file, and the Modelfile for `ollama create` next to it. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { BidoraError, makeFolder, UsageError } from "../../../base/index.js";
import { freeFile, writeFileAtomic } from "../../../base/records/index.js";
import { type GgufEntry, type GgufPair, writeGguf } from "../../../formats/gguf/index.js";

interface Destination {
  readonly path: string;
  /** The file's name without `.gguf`. */
  readonly name: string;
  readonly modelfile: string;
}

/** @throws UsageError unless the name ends in .gguf */
export function ggufName(output: string | undefined): string {
  if (output === undefined) throw new UsageError("--output is missing: name the .gguf file to write.");
  if (/\.gguf$/i.test(output)) return output;
  throw new UsageError(`--output ${output} must end in .gguf, such as model.gguf.`);
}

/**
 * Checks whether the files may be written, before anything is computed.
 * @param inputs files and folders that the command reads
 * @throws BidoraError `OUTPUT_IN_USE`, `OUTPUT`
 */
export function freeDestination(output: string, overwrite: boolean, inputs: readonly string[]): Destination {
  const path = freeFile(output, overwrite, inputs);
  const name = basename(path).replace(/\.gguf$/i, "");
  return { path, name, modelfile: freeModelfile(path, `${name}.Modelfile`, overwrite) };
}

/** Writes the file, then the Modelfile, which refers to it by name. @param parts undefined for a model that Ollama does not run */
export function writeBoth(
  { path, modelfile }: Destination,
  metadata: readonly GgufPair[],
  tensors: readonly GgufEntry[],
  parts: ((own: string) => ModelfileParts) | undefined,
): void {
  makeFolder(dirname(path));
  writeGguf(path, metadata, tensors);
  if (parts) writeModelfile(modelfile, parts(modelfileReference(path)));
}

/** The start of the first line, which marks files written by bidora. */
const MARK = "# Written by bidora export";

/** The contents of a Modelfile. Paths are relative to it. */
interface ModelfileParts {
  /** The path of the model, which contains its chat template. */
  readonly from: string;
  readonly adapter?: string;
  /** Strings that end an answer. */
  readonly stops: readonly string[];
}

/**
 * The path of a GGUF file's Modelfile, next to it and with its name, so that a folder can hold several exports.
 * @throws BidoraError `OUTPUT_IN_USE` if one exists that may not be replaced
 */
function freeModelfile(file: string, name: string, overwrite: boolean): string {
  const path = join(dirname(file), name);
  if (!existsSync(path)) return path;
  const isOurs = isOwn(path, file);
  if (overwrite && isOurs) return path;
  const advice = isOurs ? "give --overwrite to replace it, or another --output" : "give another --output";
  throw new BidoraError(
    "OUTPUT_IN_USE",
    `--output ${file} also writes ${name} next to it, but ${path} exists: ${advice}.`,
  );
}

/** Whether bidora wrote the Modelfile for this file. */
function isOwn(path: string, file: string): boolean {
  if (!statSync(path).isFile()) return false;
  const [first = "", ...lines] = readFileSync(path, "utf8").split("\n");
  return (
    first.startsWith(MARK) && ["FROM", "ADAPTER"].some((word) => lines.includes(`${word} ${modelfileReference(file)}`))
  );
}

const modelfileReference = (file: string): string => `./${basename(file)}`;

/** Ollama's format has no escapes. */
const isPlain = (stop: string): boolean => !/["\r\n]/.test(stop);

function writeModelfile(path: string, { from, adapter, stops }: ModelfileParts): void {
  const lines = [
    `${MARK}; use it with: ollama create NAME -f ${basename(path)}`,
    `FROM ${from}`,
    ...(adapter === undefined ? [] : [`ADAPTER ${adapter}`]),
    ...stops.filter(isPlain).map((stop) => `PARAMETER stop "${stop}"`),
  ];
  writeFileAtomic(path, `${lines.join("\n")}\n`);
}
