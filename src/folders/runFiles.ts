import { type Dirent, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ADAPTER_FILES } from "../adapters/index.js";
import { isTemporary } from "../io/atomic.js";
import { isLock } from "../io/folderLock.js";
import { CONFIG_FILE, WEIGHTS_FILE } from "../io/modelFiles.js";
import { TOKENIZER_FILES } from "../text/index.js";
import { CHECKPOINT_FILES, checkpointStep } from "../train/checkpointState.js";
import { isEventFile } from "../train/eventFileName.js";

/** Written first: what says that a folder is a run of this program's. */
export const MARKER = ".bidora-run";
export const RUN_FILE = "run.yaml";
export const EVENTS = "events.jsonl";
export const METRICS = "metrics.json";
export const CARD = "README.md";
export const REPORT = "report.html";
export const ANALYSIS = { page: "analysis.html", data: "analysis.json" } as const;
/** In a comparison's folder, what it found. */
export const COMPARISON = "comparison.json";
export const PREDICTIONS = { validation: "validation-predictions.jsonl", test: "test-predictions.jsonl" } as const;
/** Where TensorBoard is to look. */
export const TENSORBOARD = "tensorboard";
export const PROFILE = { table: "profile.txt", trace: "profile.json" } as const;

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
