// The runs that are analyzed: their folders, their saved steps, and what is known of them before any weights are read.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { BidoraError, CONFIG_FILE, type Phase, statOf } from "../../base/index.js";
import {
  CHECKSUMS,
  checkpointPath,
  checkpointSteps,
  EVENTS,
  isRunFolder,
  RUN_FILE,
  readRunLog,
  verifyChecksums,
} from "../../base/records/index.js";
import {
  ADAPTER_WEIGHT_FILES,
  findAdapterMetadata,
  isAdapterFolder,
  type MagnitudeAxis,
  methodOf,
  readAdapter,
  type SavedAdapter,
  settingsOfAdapter,
} from "../../models/adapters/index.js";
import { type RunSettings, readRunFile } from "../../tasks/config/index.js";
import { bestPoints, numbered, type Run, toRuns } from "../report/runs.js";

/** A run's folder and its name. */
export interface RunFolder {
  readonly name: string;
  readonly path: string;
  /** The task, for a run of a comparison: slopes are compared within one task. */
  readonly group: string;
  /** Whether it was found in a comparison instead of named by the caller. */
  readonly isFound: boolean;
  /** The folder with the runs of its method, which differ in their seeds, and its name; undefined if the caller named the run. */
  readonly seedsOf: { readonly folder: string; readonly name: string } | undefined;
}

/** Levels of folders between a comparison and its runs: TASK/METHOD/seed-N. */
const DEPTH = 3;

/**
 * The runs in folders, each of which is a run or a comparison.
 * @throws BidoraError `ANALYSIS` for a folder that is neither
 */
export function runFolders(given: readonly string[]): RunFolder[] {
  const found = given.flatMap((path) => {
    if (isRun(path)) return [{ name: basename(resolve(path)), path, group: "", isFound: false, seedsOf: undefined }];
    const below = runsBelow(path);
    if (below.length === 0) throw noRun(path);
    return below.map((name) => ({
      ...{ name, path: join(path, name), group: groupOf(name), isFound: true },
      seedsOf: seedsOf(path, name),
    }));
  });
  const names = numbered(found.map(({ name }) => name));
  return found.map((run, at) => ({ ...run, name: names[at]! }));
}

const isRun = (path: string): boolean => hasWeights(path) || checkpointSteps(path).length > 0;

/** Paths of the runs below a folder, `seed-2` before `seed-10`. */
function runsBelow(folder: string, depth = DEPTH): string[] {
  if (depth === 0 || !statOf(folder)?.isDirectory()) return [];
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const sorted = names.map(({ name }) => name).sort(new Intl.Collator("en", { numeric: true }).compare);
  return sorted.flatMap((name) => {
    const path = join(folder, name);
    if (isRunFolder(path)) return [name];
    return runsBelow(path, depth - 1).map((below) => join(name, below));
  });
}

/** @param name the path of a run below `given`, which is a comparison's folder or one in it */
function seedsOf(given: string, name: string): RunFolder["seedsOf"] {
  const parent = dirname(name);
  return { folder: resolve(given, parent), name: parent === "." ? basename(resolve(given)) : parent };
}

const groupOf = (name: string): string => name.split(sep).slice(0, -2).join("/");

function noRun(path: string): BidoraError {
  const why = existsSync(path) ? `${path} has no checkpoint, no result, and no run below it` : `There is no ${path}`;
  return new BidoraError(
    "ANALYSIS",
    `${why}: name a run's output folder (with --save-every it has checkpoints), or a comparison's.`,
  );
}

export interface SavedStep {
  readonly folder: string;
  /** Null for the end of a run without a log. */
  readonly step: number | null;
  readonly phase: Phase | null;
}

/** Whether a folder holds weights: an adapter, or a whole model. */
const hasWeights = (folder: string): boolean => isAdapterFolder(folder) || existsSync(join(folder, CONFIG_FILE));

/**
 * The saved steps of a run in order: its checkpoints, and its result unless that equals the last checkpoint.
 * @throws BidoraError `ANALYSIS` for a damaged checkpoint
 */
async function statesOf(run: string): Promise<SavedStep[]> {
  const logged = existsSync(join(run, EVENTS)) ? toRuns([await readRunLog(run)])[0] : undefined;
  const bests = logged ? bestSteps(logged) : new Map<Phase, number>();
  const last = logged?.of("step").at(-1);
  const end = hasWeights(run) ? ((last && bests.get(last.phase)) ?? last?.step ?? null) : undefined;
  // Later checkpoints did not lead to the result: early stopping went back to an earlier step, or the run was restarted from one.
  const isInRun = (step: number) => end === undefined || end === null || step < end;
  const steps = checkpointSteps(run)
    .filter((step) => isInRun(step) && hasWeights(checkpointPath(run, step)))
    .reverse();
  for (const step of steps) await refuseDamaged(checkpointPath(run, step));
  // The next phase started from the best step of the one before.
  const isOnTheWay = ({ phase }: SavedStep, step: number) =>
    phase === null || phase === last?.phase || step <= (bests.get(phase) ?? Number.POSITIVE_INFINITY);
  const states = steps.flatMap((step) => {
    const state = stateIn(checkpointPath(run, step), step);
    return isOnTheWay(state, step) ? [state] : [];
  });
  const newest = states.at(-1);
  const isTwice = end === null && newest !== undefined && isSameAdapter(newest.folder, run);
  return end === undefined || isTwice ? states : [...states, stateIn(run, end)];
}

function stateIn(folder: string, step: number | null): SavedStep {
  return { folder, step, phase: findAdapterMetadata(folder)?.phase ?? null };
}

/** The step that each phase went back to at its end, by its evaluations or, for a search, by the upper loss. */
function bestSteps(run: Run): Map<Phase, number> {
  const bests = new Map(bestPoints(run).map(({ phase, step }) => [phase, step]));
  const passes = run
    .of("step")
    .flatMap(({ phase, step, upperPassLoss: loss }) =>
      phase === "search" && loss !== undefined ? [{ step, loss }] : [],
    );
  const [first, ...others] = passes;
  if (first) bests.set("search", others.reduce((best, pass) => (pass.loss < best.loss ? pass : best), first).step);
  return bests;
}

/** @throws BidoraError `ANALYSIS` */
async function refuseDamaged(folder: string): Promise<void> {
  if (!existsSync(join(folder, CHECKSUMS))) return;
  try {
    await verifyChecksums(folder, []);
  } catch (error) {
    if (!(error instanceof BidoraError)) throw error;
    throw new BidoraError("ANALYSIS", `${folder} is damaged (${error.message}): remove it, and analyze the rest.`);
  }
}

/** Whether both folders have the same adapter, byte by byte. */
function isSameAdapter(a: string, b: string): boolean {
  const name = ADAPTER_WEIGHT_FILES.find((file) => existsSync(join(a, file)));
  if (name === undefined || !existsSync(join(b, name))) return false;
  return readFileSync(join(a, name)).equals(readFileSync(join(b, name)));
}

/** A run to analyze, before any weights are read. */
export interface AnalyzedFolder extends RunFolder {
  readonly states: readonly [SavedStep, ...SavedStep[]];
  readonly method: string;
  /** The first saved adapter; undefined if whole models are saved. */
  readonly adapter: SavedAdapter | undefined;
  /** The axis of the run's own magnitudes, if it has any. */
  readonly axis: MagnitudeAxis | undefined;
  /** The settings in its run.yaml, if it has one. */
  readonly settings: RunSettings;
}

/** Whether it is full fine-tuning, with which other methods are compared. */
export const isFull = ({ method }: AnalyzedFolder): boolean => method === "full";

/** @throws BidoraError `ANALYSIS` for a run without saved steps, or one of a method that leaves weights as they are */
export async function describeRun(run: RunFolder): Promise<AnalyzedFolder> {
  const [first, ...more] = await statesOf(run.path);
  if (!first) throw new BidoraError("ANALYSIS", `${run.path} has saved no step yet: there is nothing to analyze.`);
  const yaml = join(run.path, RUN_FILE);
  const settings = existsSync(yaml) ? readRunFile(yaml) : {};
  const found = { ...run, states: [first, ...more], settings } as const;
  if (!isAdapterFolder(first.folder)) {
    const method = findAdapterMetadata(first.folder)?.method ?? "full";
    return { ...found, method, adapter: undefined, axis: undefined };
  }
  const adapter = await readAdapter(first.folder);
  const { inLayers } = methodOf(adapter.config);
  const method = adapter.metadata?.method ?? adapter.config.method;
  if (!inLayers) throw unchanged(run.path, method, "which leaves the weights of layers as they are");
  return { ...found, method, adapter, axis: settingsOfAdapter(adapter.config).magnitudeAxis };
}

/** The error for a run whose weights can't have moved. */
export function unchanged(path: string, method: string, why: string): BidoraError {
  return new BidoraError(
    "ANALYSIS",
    `${path} was trained with ${method}, ${why}: analyze takes runs of methods that change them, such as lora, dora and full.`,
  );
}

/** Runs that can't be analyzed: an error for one that the caller named, a note for one that was found in a comparison. */
export class SkippedRuns {
  readonly notes: string[] = [];

  /** The result of `body`, or undefined if it fails for a run of a comparison. @throws what `body` throws otherwise */
  async orElse<T>({ isFound }: RunFolder, body: () => Promise<T>): Promise<T | undefined> {
    try {
      return await body();
    } catch (error) {
      if (!(isFound && error instanceof BidoraError && error.code === "ANALYSIS")) throw error;
      this.notes.push(`Left out: ${error.message}`);
      return undefined;
    }
  }

  /** @throws BidoraError `ANALYSIS` if no run is left */
  refuseNone<T>(left: T[]): T[] {
    if (left.length > 0) return left;
    throw new BidoraError("ANALYSIS", `None of the runs can be analyzed. ${this.notes.join(" ")}`);
  }
}
