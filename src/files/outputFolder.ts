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
import { BidoraError, UsageError } from "../common/errors.js";
import { ANALYSIS } from "./analysis.js";
import { isTemporary } from "./atomic.js";
import { CHECKPOINT_FILES, checkpointStep } from "./checkpointState.js";
import { holdFolder, isLock, type Waiting } from "./folderLock.js";
import { METRICS } from "./metrics.js";
import {
  ADAPTER_FILES,
  CARD,
  CONFIG_FILE,
  isEventFile,
  MARKER,
  PROFILE,
  REPORT,
  RUN_FILE,
  TENSORBOARD,
  TOKENIZER_FILES,
  WEIGHTS_FILE,
} from "./names.js";
import { PREDICTIONS } from "./predictions.js";
import { EVENTS } from "./runLog.js";

/**
 * Keeps the folder that a command writes to the command alone while `body` runs; it is made where there is none, and goes again
 * where nothing has been written.
 * @param body gets the folder's path, behind links @param waiting says to wait for another writer rather than to refuse
 * @throws UsageError when none is named, BidoraError `OUTPUT`, `OUTPUT_IN_USE`, `LOCKED`
 */
export async function holdOutput<T>(
  output: string | undefined,
  body: (folder: string) => Promise<T>,
  waiting?: Waiting,
): Promise<T> {
  if (output === undefined) throw new UsageError("--output is missing: name the folder to write.");
  const folder = behindLinks(output);
  checkWritable(folder);
  refuseFile(output);
  return holdFolder(folder, () => body(folder), waiting);
}

/**
 * Refuses a folder that could not be made or written, as far as that can be seen without writing anything.
 * @throws BidoraError `OUTPUT`, `OUTPUT_IN_USE`
 */
export function checkOutput(output: string): void {
  const folder = behindLinks(output);
  const above = nearestThere(folder);
  try {
    accessSync(`${above}/`, constants.W_OK);
  } catch (cause) {
    throw unwritable(folder, above, cause);
  }
  refuseFile(output);
}

function refuseFile(output: string): void {
  if (statOf(behindLinks(output))?.isDirectory() === false) throw inUse(`${output} is a file; name a folder`);
}

/**
 * Refuses a folder with something in it, unless `overwrite` gives away what this program wrote there.
 * @param inputs files and folders that the command reads, which must not go with it
 * @throws BidoraError `OUTPUT_IN_USE`
 */
export function refuseOccupied(output: string, overwrite: boolean, inputs: readonly string[]): void {
  const folder = behindLinks(output);
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

/** @throws BidoraError `OUTPUT_IN_USE` when something of another's making stands where a run writes */
export function refuseForeign(output: string): void {
  const foreign = foreignInTheWay(behindLinks(output));
  if (foreign === undefined) return;
  throw inUse(
    `${output} cannot be written, because ${foreign} in it is not bidora's: move that away, or name another folder`,
  );
}

/**
 * The path of a file that a command may write, behind links: a new or empty one, or one that `overwrite` gives away.
 * @param inputs files and folders that the command reads, which must not be replaced
 * @throws BidoraError `OUTPUT_IN_USE` or `OUTPUT` before anything is computed
 */
export function freeFile(output: string, overwrite: boolean, inputs: readonly string[]): string {
  const path = behindLinks(output);
  const found = statOf(path);
  if (found && !found.isFile()) throw inUse(`${output} is not a file: name a file to write`);
  if (found && found.size > 0 && !overwrite)
    throw new BidoraError("OUTPUT_IN_USE", `${output} exists: give another --output, or --overwrite to replace it.`);
  if (inputs.flatMap(filesOf).includes(path))
    throw inUse(`${output} is read by this very command: name another file to write`);
  checkWritable(path);
  return path;
}

/**
 * Finds out before a long computation whether something can be made at `path`, by making something beside it.
 * @throws BidoraError `OUTPUT` that says what is in the way
 */
function checkWritable(path: string): void {
  const above = nearestThere(path);
  try {
    rmdirSync(mkdtempSync(join(above, ".bidora-")));
  } catch (cause) {
    throw unwritable(path, above, cause);
  }
}

function unwritable(path: string, above: string, cause: unknown): BidoraError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why =
    code === "ENOTDIR" ? `${above} is a file` : `${above} does not let anything be written (${code ?? message})`;
  return new BidoraError("OUTPUT", `--output ${path} can't be written: ${why}.`, { cause });
}

/** The path itself if it is a folder that is there, else the nearest thing above it that is. */
function nearestThere(path: string): string {
  for (let above = path; ; above = dirname(above)) {
    const isThere = existsSync(above) && (above !== path || statSync(above).isDirectory());
    if (isThere || above === dirname(above)) return above;
  }
}

/** @throws BidoraError `OUTPUT` for a link to nothing */
function behindLinks(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  if (!isLink(path)) return resolve(path);
  throw new BidoraError("OUTPUT", `--output ${path} can't be written: it is a link to nothing.`);
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

const statOf = (path: string): Stats | undefined => (existsSync(path) ? statSync(path) : undefined);

/** Behind links, a path and, of a folder, what lies in it: its files may be links to elsewhere. */
function filesOf(input: string): string[] {
  if (!existsSync(input)) return [];
  const inside = statSync(input).isDirectory() ? readdirSync(input).map((name) => join(input, name)) : [];
  return [input, ...inside].filter((path) => existsSync(path)).map((path) => realpathSync(path));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function inUse(why: string): BidoraError {
  return new BidoraError("OUTPUT_IN_USE", `--output ${why}.`);
}

/** The files of an adapter or a model. */
const MODEL: readonly string[] = [...ADAPTER_FILES, ...[WEIGHTS_FILE, CONFIG_FILE, ...TOKENIZER_FILES]];

/** Every file that a run, a merge or an export writes at the top of its folder, whatever its settings. */
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
    PROFILE.table,
    PROFILE.trace,
  ],
  ...MODEL,
]);

/** What lies in a folder, without what locks and killed writers put there. */
export function contentsOf(folder: string): Dirent[] {
  return readdirSync(folder, { withFileTypes: true }).filter(({ name }) => !isLock(name) && !isTemporary(name));
}

/** Removes from a folder what this program writes into one; what else is there stays. */
export function removeOwnFiles(folder: string): void {
  for (const entry of contentsOf(folder)) {
    if (isOwn(folder, entry)) rmSync(join(folder, entry.name), { recursive: true });
  }
}

/** The name of something of another's making that stands where a run writes, or undefined. */
export function foreignInTheWay(folder: string): string | undefined {
  const isWritten = (name: string): boolean =>
    OWN.has(name) || name === TENSORBOARD || checkpointStep(name) !== undefined;
  return contentsOf(folder).find((entry) => isWritten(entry.name) && !isOwn(folder, entry))?.name;
}

function isOwn(folder: string, entry: Dirent): boolean {
  if (!entry.isDirectory()) return OWN.has(entry.name);
  const path = join(folder, entry.name);
  if (entry.name === TENSORBOARD) return readdirSync(path).every(isEventFile);
  return checkpointStep(entry.name) !== undefined && isOwnCheckpoint(path);
}

/** Other programs name their checkpoints so, too; this one's tell themselves by their state, or hold nothing else than it would. */
function isOwnCheckpoint(folder: string): boolean {
  const known = [...MODEL, ...CHECKPOINT_FILES];
  const hasState = CHECKPOINT_FILES.some((name) => existsSync(join(folder, name)));
  return hasState || readdirSync(folder).every((name) => known.includes(name) || isTemporary(name));
}
