import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ADAPTER_WEIGHT_FILES, findAdapterMetadata, isAdapterFolder } from "../adapters/index.js";
import { BidoraError } from "../common/errors.js";
import type { Phase } from "../common/run.js";
import { checkpointPath, checkpointSteps } from "../files/checkpointState.js";
import { CHECKSUMS, verifyChecksums } from "../files/checksums.js";
import { CONFIG_FILE } from "../files/names.js";
import { EVENTS, readRunLog } from "../files/runLog.js";
import { bestPoints, type Run, toRuns } from "../report/runs.js";

/** A step of a run whose weights lie in a folder. */
export interface RunState {
  readonly folder: string;
  /** Null for the end of a run that has no log. */
  readonly step: number | null;
  readonly phase: Phase | null;
}

/** Whether a folder holds weights: an adapter, or a whole model. */
export const hasWeights = (folder: string): boolean => isAdapterFolder(folder) || existsSync(join(folder, CONFIG_FILE));

/**
 * The saved steps of a run in their order: its checkpoints, and what it ended with unless that is the last checkpoint's.
 * @throws BidoraError `ANALYSIS` for a checkpoint that is not as it was saved
 */
export async function statesOf(run: string): Promise<RunState[]> {
  const told = existsSync(join(run, EVENTS)) ? toRuns([await readRunLog(run)])[0] : undefined;
  const bests = told ? bestSteps(told) : new Map<Phase, number>();
  const last = told?.of("step").at(-1);
  const end = hasWeights(run) ? ((last && bests.get(last.phase)) ?? last?.step ?? null) : undefined;
  // Later ones are no part of the way there: early stopping went back behind them, or the run was begun anew from an earlier one.
  const isInRun = (step: number) => end === undefined || end === null || step < end;
  const steps = checkpointSteps(run)
    .filter((step) => isInRun(step) && hasWeights(checkpointPath(run, step)))
    .reverse();
  for (const step of steps) await refuseDamaged(checkpointPath(run, step));
  // Of a phase that is over, the next one goes on from the best step.
  const isOnTheWay = ({ phase }: RunState, step: number) =>
    phase === null || phase === last?.phase || step <= (bests.get(phase) ?? Number.POSITIVE_INFINITY);
  const states = steps.flatMap((step) => {
    const state = stateIn(checkpointPath(run, step), step);
    return isOnTheWay(state, step) ? [state] : [];
  });
  const newest = states.at(-1);
  const isTwice = end === null && newest !== undefined && isSameAdapter(newest.folder, run);
  return end === undefined || isTwice ? states : [...states, stateIn(run, end)];
}

function stateIn(folder: string, step: number | null): RunState {
  return { folder, step, phase: findAdapterMetadata(folder)?.phase ?? null };
}

/** The step that each phase went back to at its end, where it was watched: by its evaluations, or a search by the upper loss. */
function bestSteps(told: Run): Map<Phase, number> {
  const bests = new Map(bestPoints(told).map(({ phase, step }) => [phase, step]));
  const passes = told
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
