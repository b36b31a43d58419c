import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { BidoraError } from "../../common/errors.js";
import { writeFileAtomic } from "../../io/atomic.js";

/** Ollama's name for such a file. */
const MODELFILE = "Modelfile";
/** Its first line, by which it is known again. */
const MARK = "# Written by bidora export";

/** What `ollama create` is told. */
export interface ModelfileParts {
  /** The model: a path. Its chat template is in the file. */
  readonly from: string;
  readonly adapter?: string;
  /** Texts at which an answer ends. */
  readonly stops: readonly string[];
}

/**
 * The path of the Modelfile beside a file.
 * @throws BidoraError `OUTPUT_IN_USE` where one stands that may not be replaced
 */
export function freeModelfile(file: string, overwrite: boolean): string {
  const path = join(dirname(file), MODELFILE);
  if (!existsSync(path) || (overwrite && isOwn(path))) return path;
  const advice = isOwn(path) ? "give --overwrite to replace it, or name another folder" : "name another folder";
  throw new BidoraError(
    "OUTPUT_IN_USE",
    `--output ${file} goes with a ${MODELFILE} beside it, but ${path} exists: ${advice}.`,
  );
}

const isOwn = (path: string): boolean => statSync(path).isFile() && readFileSync(path, "utf8").startsWith(MARK);

/** Ollama knows no escapes. */
const isPlain = (stop: string): boolean => !/["\r\n]/.test(stop);

export function writeModelfile(path: string, { from, adapter, stops }: ModelfileParts): void {
  const lines = [
    `${MARK}; use it with: ollama create NAME -f ${MODELFILE}`,
    `FROM ${from}`,
    ...(adapter === undefined ? [] : [`ADAPTER ${adapter}`]),
    ...stops.filter(isPlain).map((stop) => `PARAMETER stop "${stop}"`),
  ];
  writeFileAtomic(path, `${lines.join("\n")}\n`);
}
