import { cumsum, median, sum } from "d3-array";
import { availableMemory } from "../../common/availableMemory.js";
import type { Phase } from "../../files/events.js";
import * as torch from "../../torch/index.js";
import { DryRun, tokensOfWork, type Work } from "../../train/dryRun.js";
import type { PhasePlan } from "../../train/loop.js";
import { LatestState } from "../../train/rescue.js";
import type { StepRule } from "../../train/stepRule.js";
import type { Prepared } from "../prepare.js";
import { type Sampled, sampleWork, secondsAt } from "./sampler.js";

/** What a phase is going to take, by some of its steps. */
export interface PhaseCost {
  readonly phase: Phase;
  readonly steps: number;
  readonly seconds: number;
  /** Of the steps that were looked ahead at: each stands for as many of the phase as any other. */
  readonly secondsOfSteps: readonly number[];
  readonly sampled: Sampled;
}

/** When work is measured, in the process's milliseconds: until when, and by when it must have ended. */
export interface TimeLimits {
  readonly until: number;
  readonly deadline: number;
  /** Milliseconds that the process has taken so far: what seconds are told by. */
  readonly clock: () => number;
  readonly signal?: AbortSignal | undefined;
}

/** Rows that are looked ahead at: what comes later is much like it. */
const ROWS_AHEAD = 200_000;

/** Begins a phase and does some of its steps. */
export async function measurePhase(plan: PhasePlan, prepared: Prepared, times: TimeLimits): Promise<PhaseCost> {
  const rule = plan.begin();
  const rehearsal = new DryRun(rule);
  const works = takeUpcoming(rehearsal.upcoming(), plan.steps);
  const besides: number[] = [];
  const run = runnerOf(rule, rehearsal, prepared, { besides, clock: times.clock });
  const sampled = await sampleWork({ works, run, room: availableMemory, ...times });
  const secondsOfSteps = works.map((work) => secondsAt(sampled.line, tokensOfWork(work)));
  const ofMeanStep = (sampled.overLine * sum(secondsOfSteps)) / works.length + (median(besides) ?? 0);
  const seconds = plan.steps * ofMeanStep + sampled.once;
  return { phase: plan.phase, steps: plan.steps, seconds, secondsOfSteps, sampled };
}

function takeUpcoming(upcoming: Generator<Work>, steps: number): Work[] {
  const works: Work[] = [];
  let rows = 0;
  for (const work of upcoming) {
    works.push(work);
    rows += sum(work.flat(), ({ length }) => length);
    if (works.length === steps || rows >= ROWS_AHEAD) break;
  }
  return works;
}

/** A step as the loop does it; what is kept for the case that the next one fails takes memory, and time besides. */
function runnerOf(
  rule: StepRule,
  rehearsal: DryRun,
  { adapted, generator }: Prepared,
  { besides, clock }: Pick<TimeLimits, "clock"> & { readonly besides: number[] },
) {
  const latestState = new LatestState(adapted.trained, generator);
  const handle = { rule, phase: rule.phase, step: 1, phaseStep: 1, isPhaseEnd: false, isStopped: false };
  return (work: Work): number => {
    const began = clock();
    const report = torch.scope(() => rehearsal.step(work));
    const ended = clock();
    const event = { event: "step", time: "", phase: rule.phase, step: 1, seconds: 0, ...report } as const;
    latestState.on(event, { ...handle, emit: async () => {}, stop: () => {} });
    besides.push((clock() - ended) / 1000);
    return (ended - began) / 1000;
  };
}

/** The time of a typical step: half of all phases' steps take longer. */
export function typicalSeconds(phases: readonly Pick<PhaseCost, "steps" | "secondsOfSteps">[]): number {
  const each = phases.flatMap(({ steps, secondsOfSteps }) =>
    secondsOfSteps.map((seconds) => ({ seconds, weight: steps / secondsOfSteps.length })),
  );
  each.sort((a, b) => a.seconds - b.seconds);
  const upTo = cumsum(each, ({ weight }) => weight);
  const half = (upTo.at(-1) ?? 0) / 2;
  const at = upTo.findIndex((weight) => weight >= half * (1 - ROUNDING));
  const [lower, upper] = [each[at], each[at + 1]];
  // Where just half of them are done, it is between two, and with two phases as long as each other these may be far apart.
  const isBetween = upper !== undefined && (upTo[at] as number) <= half * (1 + ROUNDING);
  return ((lower?.seconds ?? 0) + ((isBetween ? upper : lower)?.seconds ?? 0)) / 2;
}

/** What sums of weights may be off by. */
const ROUNDING = 1e-9;
