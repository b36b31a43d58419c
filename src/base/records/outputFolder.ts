// The folder that a command writes: whether it may be written, and which of its files are bidora's own.
import {
  accessSync,
  constants,
  type Dirent,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { own } from "../collections.js";
import { BidoraError, UsageError } from "../errors.js";
import {
  CONFIG_FILE,
  GENERATION_CONFIG,
  isOnnxFile,
  MODULE_FOLDERS,
  ONNX_FOLDER,
  SENTENCE_TRANSFORMERS,
  TOKENIZER_FILES,
  WEIGHTS_FILE,
} from "../huggingFaceFiles.js";
import { ANALYSIS } from "./analysis.js";
import { isTemporary, sweepLeftovers } from "./atomic.js";
import { CHECKPOINT_FILES, checkpointStep } from "./checkpointState.js";
import { holdFolder, isLock, type Waiting } from "./folderLock.js";
import { METRICS } from "./metrics.js";
import { ADAPTER_FILES, CARD, isEventFile, MARKER, PROFILE, REPORT, RUN_FILE, TENSORBOARD } from "./names.js";
import { PREDICTIONS } from "./predictions.js";
import { ROW_RECORD } from "./rowRecord.js";
import { EVENTS } from "./runLog.js";

/**
 * Locks a command's output folder while `body` runs. The folder is created if necessary, and removed again if nothing was written.
 * @param body gets the folder's path without symbolic links @param waiting waits for another writer instead of an error
 * @throws UsageError when none is named, BidoraError `OUTPUT`, `OUTPUT_IN_USE`, `LOCKED`
 */
export async function holdOutput<T>(
  output: string | undefined,
  body: (folder: string) => Promise<T>,
  waiting?: Waiting,
): Promise<T> {
  if (output === undefined) throw new UsageError("--output is missing: name the folder to write.");
  const folder = resolveLinks(output);
  checkWritable(folder);
  refuseFile(output);
  return holdFolder(folder, () => body(folder), waiting);
}

/**
 * Refuses a folder that can't be created or written, as far as that is known without writing anything.
 * @throws BidoraError `OUTPUT`, `OUTPUT_IN_USE`
 */
export function checkOutput(output: string): void {
  const folder = resolveLinks(output);
  const above = nearestExisting(folder);
  try {
    accessSync(`${above}/`, constants.W_OK);
  } catch (cause) {
    throw unwritable(folder, above, cause);
  }
  refuseFile(output);
}

function refuseFile(output: string): void {
  if (statOf(resolveLinks(output))?.isDirectory() === false) throw inUse(`${output} is a file; name a folder`);
}

/**
 * Refuses a folder that is not empty, unless `overwrite` allows to replace what bidora wrote there.
 * @param inputs files and folders that the command reads, which must not be removed
 * @throws BidoraError `OUTPUT_IN_USE`
 */
export function refuseOccupied(output: string, overwrite: boolean, inputs: readonly string[]): void {
  const folder = resolveLinks(output);
  if (!existsSync(folder) || contentsOf(folder).length === 0) return;
  if (!overwrite) {
    throw inUse(
      `${output} is not empty: name another folder, or give --overwrite to replace what bidora wrote there; other files stay`,
    );
  }
  const held = [process.cwd(), ...inputs.flatMap(filesOf)].find((input) => isWithin(input, folder));
  if (held !== undefined) throw inUse(`${output} cannot be replaced, because ${held} is in it`);
  refuseForeign(output);
}

/** @throws BidoraError `OUTPUT_IN_USE` if a file of another program is in the way */
export function refuseForeign(output: string): void {
  const foreign = foreignInTheWay(resolveLinks(output));
  if (foreign === undefined) return;
  throw inUse(
    `${output} cannot be written, because ${foreign} in it is not bidora's: move that away, or name another folder`,
  );
}

/**
 * The path of a file that a command may write, without symbolic links: a new or empty file, or any file with `overwrite`.
 * @param inputs files and folders that the command reads, which must not be replaced
 * @param flag that names the file, for messages
 * @throws BidoraError `OUTPUT_IN_USE` or `OUTPUT` before anything is computed
 */
export function freeFile(
  output: string,
  overwrite: boolean,
  inputs: readonly (string | undefined)[],
  flag = "--output",
): string {
  const path = resolveLinks(output);
  const found = statOf(path);
  if (found && !found.isFile()) throw inUse(`${output} is not a file: name a file to write`, flag);
  if (found && found.size > 0 && !overwrite)
    throw new BidoraError("OUTPUT_IN_USE", `${output} exists: give another ${flag}, or --overwrite to replace it.`);
  if (inputs.flatMap((input) => (input === undefined ? [] : filesOf(input))).includes(path))
    throw inUse(`${output} is an input of this command: name another file to write`, flag);
  checkWritable(path);
  sweepLeftovers(path);
  return path;
}

/**
 * Checks before a long computation that `path` can be created, by creating something next to it.
 * @throws BidoraError `OUTPUT` with the reason
 */
function checkWritable(path: string): void {
  const above = nearestExisting(path);
  try {
    rmdirSync(mkdtempSync(join(above, ".bidora-")));
  } catch (cause) {
    throw unwritable(path, above, cause);
  }
}

function unwritable(path: string, above: string, cause: unknown): BidoraError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === "ENOTDIR" ? `${above} is a file` : `${above} is not writable (${code ?? message})`;
  return new BidoraError("OUTPUT", `--output ${path} can't be written: ${why}.`, { cause });
}

/** The path itself if it is an existing folder, else the nearest existing path above it. */
function nearestExisting(path: string): string {
  for (let above = path; ; above = dirname(above)) {
    const isThere = existsSync(above) && (above !== path || statSync(above).isDirectory());
    if (isThere || above === dirname(above)) return above;
  }
}

/** @throws BidoraError `OUTPUT` for a broken link */
function resolveLinks(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  if (!isLink(path)) return resolve(path);
  throw new BidoraError("OUTPUT", `--output ${path} can't be written: it is a broken link.`);
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

const statOf = (path: string): Stats | undefined => (existsSync(path) ? statSync(path) : undefined);

/** A path and, for a folder, the entries in it, without symbolic links: the files of a folder may be links to elsewhere. */
function filesOf(input: string): string[] {
  if (!existsSync(input)) return [];
  const inside = statSync(input).isDirectory() ? readdirSync(input).map((name) => join(input, name)) : [];
  return [input, ...inside].filter((path) => existsSync(path)).map((path) => realpathSync(path));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function inUse(why: string, flag = "--output"): BidoraError {
  return new BidoraError("OUTPUT_IN_USE", `${flag} ${why}.`);
}

/** The files of an adapter or a model. */
const MODEL: readonly string[] = [
  ...ADAPTER_FILES,
  ...[WEIGHTS_FILE, CONFIG_FILE, GENERATION_CONFIG, ...TOKENIZER_FILES],
  ...Object.values(SENTENCE_TRANSFORMERS),
];

/** The folders of sentence-transformers' modules. */
const MODULES: readonly string[] = Object.values(MODULE_FOLDERS);

/** The folders that bidora writes inside its output, each with the files that it puts there. */
const FOLDERS: Readonly<Record<string, (name: string) => boolean>> = {
  [TENSORBOARD]: isEventFile,
  [ONNX_FOLDER]: isOnnxFile,
  ...Object.fromEntries(MODULES.map((name) => [name, (file: string) => file === CONFIG_FILE || isTemporary(file)])),
};

/** Every file that a run, a merge or an export can write at the top of its folder. */
const OWN: ReadonlySet<string> = new Set([
  ...[
    MARKER,
    RUN_FILE,
    EVENTS,
    METRICS,
    CARD,
    REPORT,
    ...Object.values(ANALYSIS),
    ...Object.values(PREDICTIONS),
    ROW_RECORD,
    PROFILE.table,
    PROFILE.trace,
  ],
  ...MODEL,
]);

/** The entries of a folder, without locks and temporary files. */
export function contentsOf(folder: string): Dirent[] {
  return readdirSync(folder, { withFileTypes: true }).filter(({ name }) => !isLock(name) && !isTemporary(name));
}

/** Removes the files that bidora wrote from a folder. Other files stay. */
export function removeOwnFiles(folder: string): void {
  for (const entry of contentsOf(folder)) {
    if (isOwn(folder, entry)) rmSync(join(folder, entry.name), { recursive: true });
  }
}

/** The name of an entry that a run would write but bidora did not create, or undefined. */
export function foreignInTheWay(folder: string): string | undefined {
  const isWritten = (name: string): boolean =>
    OWN.has(name) || own(FOLDERS, name) !== undefined || checkpointStep(name) !== undefined;
  return contentsOf(folder).find((entry) => isWritten(entry.name) && !isOwn(folder, entry))?.name;
}

function isOwn(folder: string, entry: Dirent): boolean {
  if (!entry.isDirectory()) return OWN.has(entry.name);
  const path = join(folder, entry.name);
  const isItsFile = own(FOLDERS, entry.name);
  if (isItsFile) return readdirSync(path).every(isItsFile);
  return checkpointStep(entry.name) !== undefined && isOwnCheckpoint(path);
}

/** Other programs use the same names for checkpoints. Bidora's have its state file, or only files that it writes. */
function isOwnCheckpoint(folder: string): boolean {
  const known = [...MODEL, ...MODULES, ...CHECKPOINT_FILES];
  const hasState = CHECKPOINT_FILES.some((name) => existsSync(join(folder, name)));
  return hasState || readdirSync(folder).every((name) => known.includes(name) || isTemporary(name));
}
