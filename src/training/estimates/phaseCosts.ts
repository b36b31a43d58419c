import { cumsum, median, sum } from "d3-array";
import type { Phase } from "../../base/records/index.js";
import { memoryOf } from "../../torch/devices/index.js";
import * as torch from "../../torch/index.js";
import { LatestState } from "../checkpoints/rescue.js";
import { DryRun, tokensOfWork, type Work } from "../loop/dryRun.js";
import type { PhasePlan } from "../loop/loop.js";
import type { Prepared } from "../run/prepare.js";
import type { StepRule } from "../steps/stepRule.js";
import { type Sampled, sampleWork, secondsAt } from "./sampler.js";

/** The cost of a phase, estimated from some of its steps. */
export interface PhaseCost {
  readonly phase: Phase;
  readonly steps: number;
  readonly seconds: number;
  /** Of the upcoming steps that were examined; each represents the same number of the phase's steps. */
  readonly secondsOfSteps: readonly number[];
  readonly sampled: Sampled;
}

/** When to start no more work, and when all must have ended, in the process's milliseconds. */
export interface TimeLimits {
  readonly until: number;
  readonly deadline: number;
  /** The process's time so far in milliseconds, by which work is measured. */
  readonly clock: () => number;
  readonly signal?: AbortSignal | undefined;
}

/** The number of upcoming rows to examine: later ones have a similar mix of lengths. */
const ROWS_AHEAD = 200_000;

/** Starts a phase and measures some of its steps. */
export async function measurePhase(plan: PhasePlan, prepared: Prepared, times: TimeLimits): Promise<PhaseCost> {
  const rule = plan.begin();
  const dryRun = new DryRun(rule);
  const works = takeUpcoming(dryRun.upcoming(), plan.steps);
  const besides: number[] = [];
  const run = runnerOf(rule, dryRun, prepared, { besides, clock: times.clock });
  const sampled = await sampleWork({ works, run, memory: memoryOf(prepared.loaded.model.device), ...times });
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

/** Does a step as the loop does, with the copy in case the next step fails, which takes memory and additional time. */
function runnerOf(
  rule: StepRule,
  dryRun: DryRun,
  { adapted, generator }: Prepared,
  { besides, clock }: Pick<TimeLimits, "clock"> & { readonly besides: number[] },
) {
  const latestState = new LatestState(adapted.trained, generator);
  const handle = { rule, phase: rule.phase, step: 1, phaseStep: 1, isPhaseEnd: false, isStopped: false };
  return (work: Work): number => {
    const began = clock();
    const report = torch.scope(() => dryRun.step(work));
    const ended = clock();
    const event = { event: "step", time: "", phase: rule.phase, step: 1, seconds: 0, ...report } as const;
    latestState.on(event, { ...handle, emit: async () => {}, stop: () => {} });
    besides.push((clock() - ended) / 1000);
    return (ended - began) / 1000;
  };
}

/** The median time of a step over all phases. */
export function typicalSeconds(phases: readonly Pick<PhaseCost, "steps" | "secondsOfSteps">[]): number {
  const each = phases.flatMap(({ steps, secondsOfSteps }) =>
    secondsOfSteps.map((seconds) => ({ seconds, weight: steps / secondsOfSteps.length })),
  );
  each.sort((a, b) => a.seconds - b.seconds);
  const upTo = cumsum(each, ({ weight }) => weight);
  const half = (upTo.at(-1) ?? 0) / 2;
  const at = upTo.findIndex((weight) => weight >= half * (1 - ROUNDING));
  const [lower, upper] = [each[at], each[at + 1]];
  // At exactly half the weight the median is between two steps, which can be far apart with two phases of equal length.
  const isBetween = upper !== undefined && (upTo[at] as number) <= half * (1 + ROUNDING);
  return ((lower?.seconds ?? 0) + ((isBetween ? upper : lower)?.seconds ?? 0)) / 2;
}

/** Tolerance for the rounding error of a sum of weights. */
const ROUNDING = 1e-9;
