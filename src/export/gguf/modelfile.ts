import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { BidoraError } from "../../common/errors.js";
import { writeFileAtomic } from "../../files/atomic.js";

/** How the first line begins, by which it is known again. */
const MARK = "# Written by bidora export";

/** What `ollama create` is told. Paths are relative to the Modelfile. */
export interface ModelfileParts {
  /** The model: a path. Its chat template is in the file. */
  readonly from: string;
  readonly adapter?: string;
  /** Texts at which an answer ends. */
  readonly stops: readonly string[];
}

/**
 * The path of a GGUF file's Modelfile: beside it, with its name, so that several exports fit into one folder.
 * @throws BidoraError `OUTPUT_IN_USE` where one stands that may not be replaced
 */
export function freeModelfile(file: string, overwrite: boolean): string {
  const name = `${basename(file).replace(/\.gguf$/i, "")}.Modelfile`;
  const path = join(dirname(file), name);
  if (!existsSync(path)) return path;
  const isOurs = isOwn(path, file);
  if (overwrite && isOurs) return path;
  const advice = isOurs ? "give --overwrite to replace it, or another --output" : "give another --output";
  throw new BidoraError(
    "OUTPUT_IN_USE",
    `--output ${file} goes with ${name} beside it, but ${path} exists: ${advice}.`,
  );
}

/** Whether a Modelfile was written for this file by this program. */
function isOwn(path: string, file: string): boolean {
  if (!statSync(path).isFile()) return false;
  const [first = "", ...lines] = readFileSync(path, "utf8").split("\n");
  return (
    first.startsWith(MARK) && ["FROM", "ADAPTER"].some((word) => lines.includes(`${word} ${besideModelfile(file)}`))
  );
}

/** How a Modelfile names a file beside it. */
export const besideModelfile = (file: string): string => `./${basename(file)}`;

/** Ollama knows no escapes. */
const isPlain = (stop: string): boolean => !/["\r\n]/.test(stop);

export function writeModelfile(path: string, { from, adapter, stops }: ModelfileParts): void {
  const lines = [
    `${MARK}; use it with: ollama create NAME -f ${basename(path)}`,
    `FROM ${from}`,
    ...(adapter === undefined ? [] : [`ADAPTER ${adapter}`]),
    ...stops.filter(isPlain).map((stop) => `PARAMETER stop "${stop}"`),
  ];
  writeFileAtomic(path, `${lines.join("\n")}\n`);
}
