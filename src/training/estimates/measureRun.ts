import { sum } from "d3-array";
import { checkOutput, inspectOutput, type ParameterCounts, type Phase } from "../../base/records/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import { namingBadWeights } from "../../models/index.js";
import { type AskedRun, METHODS } from "../../tasks/config/index.js";
import { memoryOf, type RunMemory } from "../../torch/devices/index.js";
import { resolveDevice } from "../../torch/index.js";
import { checkpointBytes } from "../checkpoints/rescue.js";
import { parameterCounts } from "../run/artifacts.js";
import { checkpointWeights, type Prepared, plansOf, prepare } from "../run/prepare.js";
import { noteSettings } from "../run/prepareNotes.js";
import { ProvenanceSource } from "../run/provenance.js";
import { inputsOf, type RunStart, startOf } from "../run/runInputs.js";
import {
  evaluationCounts,
  measurePhase,
  measureRows,
  measureTexts,
  type PhaseCost,
  type TimeLimits,
  typicalSeconds,
} from "./costs.js";
import type { Sampled } from "./sampler.js";

/** The predicted memory, time and parameter count of a run. */
export interface Estimate {
  /** As the run's `start` event has them. */
  readonly parameters: ParameterCounts;
  /** Peak memory, as in the run's `done` event. */
  readonly peakMemoryBytes: number;
  /** The median time of a step. */
  readonly secondsPerStep: number;
  /** Optimizer steps of all phases. */
  readonly steps: number;
  /** From the start of the process to its end. */
  readonly seconds: number;
  /** The available memory at the start. */
  readonly availableMemoryBytes: number;
  readonly stepsOfPhases: Partial<Record<Phase, number>>;
  /** How each phase was measured, and how accurate the figures are: one sentence per phase. */
  readonly notes: readonly string[];
  /** Reasons why the figures may be wrong, one sentence each. */
  readonly warnings: readonly string[];
}

interface MeasureOptions extends HubContext {
  /**
   * The process's time so far in milliseconds, by which work is measured. Wall time by default; on a shared machine, processor time is
   * more accurate.
   */
  readonly clock?: () => number;
}

/** The time limit of all measurements, and that of each kind of work, in milliseconds. */
const ALL = 38_000;
const EACH = 12_000;
/**
 * The memory that many steps need beyond the measured few, as a share of the steps' memory: freed memory is fragmented, so that batches of
 * other sizes can't use all of it. Measured: docs/performance/tables.md.
 */
const FRAGMENTATION = 0.1;
/** The share of the remaining time that one kind of work may use. */
const SHARE = 0.5;

/** The assumed speed of writing to disk, including checksums; it is not measured, because an estimate writes nothing. */
const BYTES_A_SECOND = 250e6;
/** What the run's report takes on two cores: to load its libraries and draw it, and for each of its steps. */
const REPORT_SECONDS = 0.5;
const REPORT_SECONDS_A_STEP = 1e-5;

/**
 * Does some of a run's steps and evaluations, and writes nothing. Memory is measured for the whole process, which must not have done other
 * work before.
 * @throws BidoraError, UsageError as the run itself before its first step, or in a measured step
 */
export async function measureRun(
  asked: AskedRun,
  { clock = wall, ...context }: MeasureOptions = {},
): Promise<Estimate> {
  const limits = { deadline: performance.now() + ALL, clock, signal: context.signal };
  const begin = await checkedStart(asked, context);
  const memory = memoryOf(resolveDevice(begin.config.device));
  const available = memory.free();
  const prepared = await prepare(begin, context);
  noteSettings(prepared, context);
  const start = { seconds: clock() / 1000, peak: memory.peak() };
  return namingBadWeights(
    () => checkpointWeights(prepared),
    async () => ({ ...(await measure(prepared, memory, start, limits)), availableMemoryBytes: available }),
  );
}

/** @param start time and peak memory of the process after loading */
async function measure(
  prepared: Prepared,
  memory: RunMemory,
  start: { readonly seconds: number; readonly peak: number },
  limits: Limits,
): Promise<Omit<Estimate, "availableMemoryBytes">> {
  const phases = await measurePhases(prepared, limits);
  const steps = sum(phases, (phase) => phase.steps);
  const evaluations = await measureEvaluations(prepared, steps, limits);
  const texts = await secondsOfTexts(prepared, limits);
  const peak = memory.peak();
  const fragmented = FRAGMENTATION * shareUntried(phases) * (peak - start.peak);
  const seconds = [
    start.seconds,
    ...[...phases, ...evaluations].map((work) => work.seconds),
    texts,
    await secondsOfProvenance(prepared, limits),
    secondsOfWriting(prepared, steps),
    REPORT_SECONDS + steps * REPORT_SECONDS_A_STEP,
  ];
  return {
    parameters: parameterCounts(prepared),
    peakMemoryBytes: Math.round(peak + fragmented + beyond(prepared, [...phases, ...evaluations])),
    secondsPerStep: typicalSeconds(phases),
    steps,
    seconds: sum(seconds),
    stepsOfPhases: Object.fromEntries(phases.map((phase) => [phase.phase, phase.steps])),
    notes: notesOnPhases(phases),
    warnings: warningsOf(prepared, phases),
  };
}

const shareUntried = (phases: readonly PhaseCost[]): number =>
  1 - sum(phases, ({ sampled }) => sampled.count) / sum(phases, ({ steps }) => steps);

/** Checks what the run checks, except that the output folder may have contents: nothing is written, and it may hold the run itself. */
async function checkedStart(asked: AskedRun, context: HubContext): Promise<RunStart> {
  const begin = await startOf(asked, context);
  const { output, resume, overwrite } = begin.config;
  checkOutput(output);
  if (resume || overwrite) inspectOutput(output, begin.config, inputsOf(begin.config));
  return begin;
}

const wall = () => performance.now();

type Limits = Pick<TimeLimits, "deadline" | "clock" | "signal">;

/** The time limits for the next of several kinds of work. */
function timesFor(left: number, { deadline, ...limits }: Limits): TimeLimits {
  const now = performance.now();
  const most = Math.max(0, deadline - now) * Math.max(SHARE, 1 / left);
  return { until: now + Math.min(EACH, most), deadline: now + most, ...limits };
}

async function measurePhases(prepared: Prepared, limits: Limits): Promise<PhaseCost[]> {
  const plans = plansOf(prepared);
  const phases: PhaseCost[] = [];
  for (const [i, plan] of plans.entries())
    phases.push(await measurePhase(plan, prepared, timesFor(plans.length - i + 1, limits)));
  return phases;
}

/** Measures the evaluations of rows, by some batches of each split. */
async function measureEvaluations(prepared: Prepared, steps: number, limits: Limits) {
  const counts = evaluationCounts(prepared, steps);
  const costs: { readonly seconds: number; readonly sampled: Sampled }[] = [];
  for (const split of ["validation", "test", "holdout"] as const) {
    const rows = prepared.data[split];
    if (!rows || counts[split] === 0) continue;
    const { seconds, sampled } = await measureRows(prepared, rows, timesFor(2, limits));
    costs.push({ seconds: counts[split] * seconds, sampled });
  }
  return costs;
}

async function secondsOfTexts(prepared: Prepared, limits: Limits): Promise<number> {
  const validation = await measureTexts(prepared, "validation", limits);
  return validation + (await measureTexts(prepared, "test", limits));
}

/** Bytes beyond the peak so far: for work that was too heavy to measure, and for the best state that early stopping keeps. */
function beyond({ config, trained }: Prepared, works: readonly { readonly sampled: Sampled }[]): number {
  const best = config.earlyStopping === undefined ? 0 : sum(trained, ({ tensor }) => tensor.nbytes);
  return best + works.reduce((most, { sampled: { bytesBeyond } }) => Math.max(most, bytesBeyond), 0);
}

/** Seconds for the checksums of the run's inputs, which a run computes between its steps. */
async function secondsOfProvenance(prepared: Prepared, { deadline, clock }: Limits): Promise<number> {
  const source = new ProvenanceSource(prepared);
  const timer = setTimeout(() => source.end(), Math.max(0, deadline - performance.now()));
  const began = clock();
  await source.find();
  clearTimeout(timer);
  return (clock() - began) / 1000;
}

/** Seconds for writing checkpoints and results. */
function secondsOfWriting({ config, adapted, trained, loaded }: Prepared, steps: number): number {
  const { saveEvery, earlyStopping, method } = config;
  const checkpoints = saveEvery === undefined ? 0 : Math.floor(steps / saveEvery);
  const ofModel = METHODS[method].adapter === undefined ? 4 * parameterCounts({ adapted, loaded }).total : 0;
  return (
    (checkpoints * checkpointBytes(trained, adapted.hooks, earlyStopping !== undefined) + ofModel) / BYTES_A_SECOND
  );
}

const isWhole = ({ sampled: { reached, heaviest } }: PhaseCost): boolean => reached >= heaviest;

/** Notes on the phases whose heaviest step was measured. */
export function notesOnPhases(phases: readonly PhaseCost[]): string[] {
  return phases
    .filter(isWhole)
    .map(
      ({ phase, steps, sampled: { count, heaviest } }) =>
        `${count} of ${steps} steps of ${phase} were measured, including the heaviest (${heaviest} tokens): expect memory within 15 % and time within 30 % if the machine stays as busy as it is now.`,
    );
}

/** Reasons why the figures may be wrong. */
export function warningsOf({ config }: Pick<Prepared, "config">, phases: readonly PhaseCost[]): string[] {
  const { earlyStopping, searchPatience, resume } = config;
  const untried = phases
    .filter((phase) => !isWhole(phase))
    .map(
      ({ phase, sampled: { reached, heaviest } }) =>
        `No whole step of ${phase} was measured: the heaviest has ${heaviest} tokens, and time and memory are extrapolated from ${reached}. They may be off by half.`,
    );
  return [
    ...untried,
    ...(earlyStopping !== undefined || searchPatience !== undefined
      ? ["Early stopping may end the run sooner: steps and time are upper bounds."]
      : []),
    ...(resume ? ["The figures are for the whole run, from its first step."] : []),
  ];
}
