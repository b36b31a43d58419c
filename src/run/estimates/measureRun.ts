import { sum } from "d3-array";
import { availableMemory } from "../../common/availableMemory.js";
import { type RunConfig, refuseUnused } from "../../config/index.js";
import type { ParameterCounts, Phase } from "../../files/events.js";
import { checkOutput } from "../../files/outputFolder.js";
import { inspectOutput } from "../../files/runFolder.js";
import type { HubOptions } from "../../io/hub/options.js";
import { namingBadWeights } from "../../train/badWeights.js";
import { peakMemoryBytes } from "../../train/machine.js";
import { parameterCounts } from "../artifacts.js";
import { checkpointWeights, noteSettings, type Prepared, plansOf, prepare } from "../prepare.js";
import { ProvenanceSource } from "../provenance.js";
import { inputsOf, type RunStart, startOf } from "../runInputs.js";
import { evaluationCounts, measureRows, measureTexts } from "./evaluationCosts.js";
import { measurePhase, type PhaseCost, type TimeLimits, typicalSeconds } from "./phaseCosts.js";
import type { Sampled } from "./sampler.js";
import { secondsOfReport, secondsOfWriting } from "./writingCosts.js";

/** What a run is going to take. */
export interface Estimate {
  /** As the run's `start` event has them. */
  readonly parameters: ParameterCounts;
  /** The most that the whole process is going to have, as the run's `done` event has it. */
  readonly peakMemoryBytes: number;
  /** Of a typical step: half of the steps take longer. */
  readonly secondsPerStep: number;
  /** Optimizer steps of all phases. */
  readonly steps: number;
  /** From the start of the process to its end. */
  readonly seconds: number;
  /** Memory that was there to be had when it began. */
  readonly availableMemoryBytes: number;
  readonly stepsOfPhases: Partial<Record<Phase, number>>;
  /** What was tried, and how near the figures are then: a sentence a phase. */
  readonly notes: readonly string[];
  /** Sentences on what may make the figures wrong. */
  readonly warnings: readonly string[];
}

export interface MeasureOptions {
  readonly hub?: HubOptions | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds that the process has taken so far: what seconds are told by. Wall time by default; on a machine that others use as
   * well, processor time says more.
   */
  readonly clock?: () => number;
}

/** Until the last piece of work must have ended, and what each kind of work has for more than the least, in milliseconds. */
const ALL = 38_000;
const EACH = 12_000;
/**
 * What a run's many steps take beyond the same few: freed memory is in pieces that a batch of other sizes can't take. Of what steps take
 * at all; measured, docs/performance.md has the table.
 */
const IN_PIECES = 0.1;
/** Of the time that is left, what one kind of work may take when it is a long one. */
const SHARE = 0.5;

/**
 * Does what a run does, but only some of its steps and evaluations, and writes nothing. Memory is that of the process: it must have
 * done nothing else before.
 * @throws BidoraError, UsageError as the run itself would before its first step, or at one that is tried
 */
export async function measureRun(
  config: RunConfig,
  { hub, signal, clock = wall }: MeasureOptions = {},
): Promise<Estimate> {
  const available = availableMemory();
  const limits = { deadline: performance.now() + ALL, clock, signal };
  const begin = await checkedStart(config, hub);
  const prepared = await prepare(begin, hub);
  noteSettings(prepared, hub);
  const start = { seconds: clock() / 1000, peak: peakMemoryBytes() };
  return namingBadWeights(
    () => checkpointWeights(prepared),
    async () => ({ ...(await rehearse(prepared, start, limits)), availableMemoryBytes: available }),
  );
}

/** @param start what the process had taken when all was read */
async function rehearse(
  prepared: Prepared,
  start: { readonly seconds: number; readonly peak: number },
  limits: Limits,
): Promise<Omit<Estimate, "availableMemoryBytes">> {
  const phases = await rehearsePhases(prepared, limits);
  const steps = sum(phases, (phase) => phase.steps);
  const judging = await rehearseJudging(prepared, steps, limits);
  const texts = await secondsOfTexts(prepared, limits);
  const peak = peakMemoryBytes();
  const inPieces = IN_PIECES * shareUntried(phases) * (peak - start.peak);
  const seconds = [
    start.seconds,
    ...[...phases, ...judging].map((work) => work.seconds),
    texts,
    await secondsOfProvenance(prepared, limits),
    secondsOfWriting(prepared, steps),
    await secondsOfReport(prepared, phases, limits.clock),
  ];
  return {
    parameters: parameterCounts(prepared),
    peakMemoryBytes: Math.round(peak + inPieces + beyond(prepared, [...phases, ...judging])),
    secondsPerStep: typicalSeconds(phases),
    steps,
    seconds: sum(seconds),
    stepsOfPhases: Object.fromEntries(phases.map((phase) => [phase.phase, phase.steps])),
    notes: notesOf(phases),
    warnings: warningsOf(prepared, phases),
  };
}

const shareUntried = (phases: readonly PhaseCost[]): number =>
  1 - sum(phases, ({ sampled }) => sampled.count) / sum(phases, ({ steps }) => steps);

/** Refuses what the run refuses, but for a folder with something in it: nothing is written, and the run may have been there before. */
async function checkedStart(config: RunConfig, hub: HubOptions | undefined): Promise<RunStart> {
  const begin = await startOf(config, hub);
  refuseUnused(config.given, begin.config);
  const { output, resume, overwrite } = begin.config;
  checkOutput(output);
  if (resume || overwrite) inspectOutput(output, begin.config, inputsOf(begin.config));
  return begin;
}

const wall = () => performance.now();

type Limits = Pick<TimeLimits, "deadline" | "clock" | "signal">;

/** For one of several kinds of work that are yet to be measured. */
function timesFor(left: number, { deadline, ...limits }: Limits): TimeLimits {
  const now = performance.now();
  const most = Math.max(0, deadline - now) * Math.max(SHARE, 1 / left);
  return { until: now + Math.min(EACH, most), deadline: now + most, ...limits };
}

async function rehearsePhases(prepared: Prepared, limits: Limits): Promise<PhaseCost[]> {
  const plans = plansOf(prepared);
  const phases: PhaseCost[] = [];
  for (const [i, plan] of plans.entries())
    phases.push(await measurePhase(plan, prepared, timesFor(plans.length - i + 1, limits)));
  return phases;
}

/** What all evaluations of rows take, by some batches of each split. */
async function rehearseJudging(prepared: Prepared, steps: number, limits: Limits) {
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

/** Bytes beyond the peak so far: of what was too heavy to be tried, and of the best state that early stopping keeps. */
function beyond({ config, adapted }: Prepared, works: readonly { readonly sampled: Sampled }[]): number {
  const best = config.earlyStopping === undefined ? 0 : sum(adapted.trained, ({ tensor }) => tensor.nbytes);
  return best + works.reduce((most, { sampled: { bytesBeyond } }) => Math.max(most, bytesBeyond), 0);
}

/** A run finds out between its steps what it is made from. */
async function secondsOfProvenance(prepared: Prepared, { deadline, clock }: Limits): Promise<number> {
  const source = new ProvenanceSource(prepared);
  const timer = setTimeout(() => source.end(), Math.max(0, deadline - performance.now()));
  const began = clock();
  await source.find();
  clearTimeout(timer);
  return (clock() - began) / 1000;
}

const isWhole = ({ sampled: { reached, heaviest } }: PhaseCost): boolean => reached >= heaviest;

/** What was tried of phases whose heaviest step was among it. */
export function notesOf(phases: readonly PhaseCost[]): string[] {
  return phases
    .filter(isWhole)
    .map(
      ({ phase, steps, sampled: { count, heaviest } }) =>
        `${count} of ${steps} steps of ${phase} were tried, the heaviest (${heaviest} tokens) among them: expect memory within 15 % and time within 30 % on a machine that is as busy as it is now.`,
    );
}

/** What may make the figures wrong. */
export function warningsOf({ config }: Pick<Prepared, "config">, phases: readonly PhaseCost[]): string[] {
  const { earlyStopping, searchPatience, resume } = config;
  const untried = phases
    .filter((phase) => !isWhole(phase))
    .map(
      ({ phase, sampled: { reached, heaviest } }) =>
        `No whole step of ${phase} was tried: the heaviest has ${heaviest} tokens, and time and memory are a straight line on from ${reached}. They may be off by a half.`,
    );
  return [
    ...untried,
    ...(earlyStopping !== undefined || searchPatience !== undefined
      ? ["Early stopping may end the run sooner: steps and time are the most."]
      : []),
    ...(resume ? ["The figures are those of the whole run, from its first step."] : []),
  ];
}
