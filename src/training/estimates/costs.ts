import { cumsum, max, mean, median, sum } from "d3-array";
import type { Phase } from "../../base/records/index.js";
import { readConfig } from "../../formats/index.js";
import { type LanguageExample, promptsWithReferences } from "../../tasks/data/index.js";
import type { Batch, EncodedExample } from "../../tasks/index.js";
import { memoryOf } from "../../torch/devices/index.js";
import * as torch from "../../torch/index.js";
import { arrangedRows, evaluateTexts, evaluationBatches, predictRows } from "../../use/evaluation/index.js";
import { LatestState } from "../checkpoints/rescue.js";
import type { PhasePlan } from "../loop/loop.js";
import type { Prepared } from "../run/prepare.js";
import { overridesOf } from "../run/runEvaluation.js";
import type { StepRule } from "../steps/stepRule.js";
import { DryRun, tokensOfWork, type Work } from "./dryRun.js";
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
  { trained, generator }: Prepared,
  { besides, clock }: Pick<TimeLimits, "clock"> & { readonly besides: number[] },
) {
  const latestState = new LatestState(trained, generator);
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
  const isBetween = upper !== undefined && upTo[at]! <= half * (1 + ROUNDING);
  return ((lower?.seconds ?? 0) + ((isBetween ? upper : lower)?.seconds ?? 0)) / 2;
}

/** Tolerance for the rounding error of a sum of weights. */
const ROUNDING = 1e-9;

type Split = "validation" | "test" | "holdout";

/** The number of passes over each split in a run of so many steps: evaluations, also at the start and at the end, and one for a reference. */
export function evaluationCounts({ config, data, choice }: Prepared, steps: number): Record<Split, number> {
  const { evalEvery, earlyStopping } = config;
  const watched = data.holdout ? "holdout" : data.validation ? "validation" : undefined;
  const during = evalEvery !== undefined && watched ? Math.floor(steps / evalEvery) : 0;
  const isKnown = during > 0 && steps % (evalEvery as number) === 0 && earlyStopping === undefined;
  const reported = data.test ? "test" : "validation";
  const atStart = (split: Split) => Number(config.evalOnStart === true && split === reported);
  const atEnd = (split: Split) => (split === watched ? during + Number(!isKnown) : 1);
  const reference = Number(choice.task.comparesWithStart === true);
  const count = (split: Split) => (data[split] ? atStart(split) + atEnd(split) + reference : 0);
  return { validation: count("validation"), test: count("test"), holdout: count("holdout") };
}

/** In place of what the model gives before training, which has no influence on the time. */
const NO_OUTPUTS: readonly number[] = [0, 0, 0];

/** Measures one evaluation of the rows. */
export async function measureRows(
  prepared: Prepared,
  rows: readonly EncodedExample[],
  times: TimeLimits,
): Promise<{ readonly seconds: number; readonly sampled: Sampled }> {
  const { config, choice, labels, loaded } = prepared;
  const { task } = choice;
  // A loss that is no sum over rows is computed from all of them at the end, which takes next to no time.
  const onOutputs = (batch: Batch, outputs: torch.Tensor) => {
    if (!task.stepSums) task.loss(outputs, batch).item();
  };
  const evaluated = arrangedRows(task, rows, config.batchSize).map((row) =>
    task.comparesWithStart ? { ...row, startOutputs: NO_OUTPUTS } : row,
  );
  const works: Work[] = Array.from(evaluationBatches(evaluated, config.batchSize), (batch) => [[batch]]);
  const run = async (work: Work): Promise<number> => {
    const began = times.clock();
    const [batch] = work.flat() as [readonly EncodedExample[]];
    const options = { task, labels, batchSize: batch.length, onOutputs };
    for await (const _ of predictRows(loaded.model, batch, options));
    return (times.clock() - began) / 1000;
  };
  const sampled = await sampleWork({ works, run, memory: memoryOf(loaded.model.device), ...times });
  const seconds = sampled.overLine * sum(works, (work) => secondsAt(sampled.line, tokensOfWork(work)));
  return { seconds, sampled };
}

/** Tokens generated after each prompt in two measurements: their difference gives the time per token. */
const SHORT = 4;
const LONGER = 12;

/** Measures generation after all prompts of a split, assuming texts as long as the references. @returns seconds */
export async function measureTexts(
  prepared: Prepared,
  split: "validation" | "test",
  { clock, signal, deadline }: Omit<TimeLimits, "until">,
): Promise<number> {
  const { loaded, tokenizer, folder, config, choice, data } = prepared;
  const examples = (prepared.texts?.[split]?.examples ?? []) as readonly LanguageExample[];
  if (examples.length === 0) return 0;
  const model = { model: loaded.model, tokenizer, folder, checkpointConfig: readConfig(folder) };
  const some = firstPrompts(examples, config.batchSize);
  const secondsOf = async (most: number) => {
    const began = clock();
    const overrides = { ...overridesOf(config), maxNewTokens: Math.min(most, config.maxNewTokens ?? most) };
    await evaluateTexts(model, some, { batchSize: config.batchSize, overrides, signal });
    return (clock() - began) / 1000;
  };
  const first = await secondsOf(1);
  const tokens = longestInBatch(
    (data[split] ?? []).map((row) => choice.task.weight(row)),
    config.batchSize,
  );
  const batches = Math.ceil(promptsWithReferences(examples).length / config.batchSize);
  // The first token includes the prompt's time, so this is an upper bound.
  if (performance.now() + 1000 * first * (SHORT + LONGER) > deadline) return batches * first * tokens;
  const [short, longer] = [await secondsOf(SHORT), await secondsOf(LONGER)];
  const perToken = Math.max(0, longer - short) / (LONGER - SHORT);
  return batches * Math.max(short, short + perToken * (Math.min(tokens, config.maxNewTokens ?? tokens) - SHORT));
}

/** The examples that the first `count` prompts come from. */
function firstPrompts(examples: readonly LanguageExample[], count: number): readonly LanguageExample[] {
  let end = Math.min(count, examples.length);
  while (end < examples.length && promptsWithReferences(examples.slice(0, end)).length < count)
    end = Math.min(2 * end, examples.length);
  const wanted = new Set(
    promptsWithReferences(examples.slice(0, end))
      .slice(0, count)
      .map(({ example }) => example.at),
  );
  const isWanted = (example: LanguageExample) => wanted.has(example.at);
  return examples.slice(0, end).filter(isWanted);
}

/** The length of a batch's longest text, which determines its time: the mean over batches. */
function longestInBatch(tokens: readonly number[], batchSize: number): number {
  const batches = Array.from({ length: Math.ceil(tokens.length / batchSize) }, (_, i) =>
    tokens.slice(i * batchSize, (i + 1) * batchSize),
  );
  return mean(batches, (batch) => max(batch)) ?? 0;
}
