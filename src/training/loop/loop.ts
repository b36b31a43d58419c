import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { BidoraError } from "../../base/index.js";
import type { Phase, RunEvent } from "../../base/records/index.js";
import type { TrainedTensor } from "../../models/adapters/index.js";
import type { Ending } from "../../torch/distributed/index.js";
import type { Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import { SMALLER_STEPS } from "../steps/finite.js";
import { GradientOverflow } from "../steps/lossScale.js";
import type { StepReport, StepRule } from "../steps/stepRule.js";
import type { RunHandle, RunObserver, Untimed } from "./observer.js";

/** A phase of a run. Its rule is created when the phase begins, since it starts from the result of the phase before. */
export interface PhasePlan<Rule extends StepRule = StepRule> {
  readonly phase: Phase;
  readonly steps: number;
  begin(): Rule;
}

interface LoopOptions {
  readonly plans: readonly PhasePlan[];
  readonly observers: readonly RunObserver[];
  readonly ending: Ending;
  /** The position of an interrupted run of the same plans. */
  readonly from?: ResumePoint | undefined;
  /** By default the first batch whose loss is not finite ends the run. */
  readonly nonFinite?: NonFiniteBatches | undefined;
}

export interface ResumePoint {
  readonly phase: Phase;
  /** Steps done, in the whole run and in the phase. */
  readonly step: number;
  readonly phaseStep: number;
  /** Whether the phase was ended early. */
  readonly isPhaseOver: boolean;
  /** Restores the state of the phase's new rule, and of the tensors that it trains. */
  resume(rule: StepRule): void;
}

/** The number of steps of each phase: as planned, or as done in a resumed run's earlier phases. */
export function stepsOfPhases(
  plans: readonly PhasePlan[],
  from: ResumePoint | undefined,
): Partial<Record<Phase, number>> {
  const at = plans.findIndex(({ phase }) => phase === from?.phase);
  const taken = (index: number): number | undefined => {
    if (from && index === at - 1) return from.step - from.phaseStep;
    return from?.isPhaseOver && index === at ? from.phaseStep : undefined;
  };
  return Object.fromEntries(plans.map(({ phase, steps }, index) => [phase, taken(index) ?? steps]));
}

/**
 * Passes an event to all observers, one after the other. An observer's error is thrown after the last one: a checkpoint of that
 * state is then the same as without the error.
 */
export async function notify(observers: readonly RunObserver[], event: Untimed, run?: RunHandle): Promise<void> {
  const timed = { time: new Date().toISOString(), ...event } as RunEvent;
  const failures: unknown[] = [];
  for (const observer of observers) {
    try {
      await observer.on(timed, run);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/**
 * The training loop: runs the phases in order, and in each the steps of its rule. Each step has its own memory scope, and the
 * event loop runs once between steps.
 * @returns how it ended; an abort takes effect after the current step
 */
export async function runLoop({ plans, observers, ending, from, nonFinite }: LoopOptions): Promise<"done" | "aborted"> {
  const first = from ? plans.findIndex(({ phase }) => phase === from.phase) : 0;
  let step = from?.step ?? 0;
  for (const [index, plan] of plans.slice(first).entries()) {
    const rule = plan.begin();
    const resumed = index === 0 ? from : undefined;
    resumed?.resume(rule);
    const phaseStep = resumed?.isPhaseOver ? rule.steps : (resumed?.phaseStep ?? 0);
    step = await runPhase(rule, { step, phaseStep }, observers, { ending, nonFinite });
    if (ending.signal.aborted) return "aborted";
  }
  return "done";
}

/** @returns the steps done in the whole run */
async function runPhase(
  rule: StepRule,
  begin: { readonly step: number; readonly phaseStep: number },
  observers: readonly RunObserver[],
  { ending, nonFinite = new NonFiniteBatches() }: Pick<LoopOptions, "ending" | "nonFinite">,
): Promise<number> {
  let { step, phaseStep } = begin;
  while (phaseStep < rule.steps && !ending.agree()) {
    const began = performance.now();
    const report = inStep(step + 1, () => nonFinite.step(rule));
    step += 1;
    phaseStep += 1;
    if (step % STEPS_BETWEEN === 0 || phaseStep === rule.steps) checkAgreement(ending.ranks, rule.trained);
    const run = new Handle(rule, step, phaseStep, observers);
    await run.emit({ event: "step", phase: rule.phase, step, ...report, seconds: (performance.now() - began) / 1000 });
    await nextTurn();
    if (run.isStopped) break;
  }
  return step;
}

/** After how many steps the ranks compare their trained tensors; they also do at the end of a phase. */
export const STEPS_BETWEEN = 100;

/**
 * Checks that the ranks still have the same trained tensors, to the bit. All ranks must ask.
 * @throws BidoraError `RANKS_DIFFER` on all of them
 */
export function checkAgreement(ranks: Ranks, trained: readonly TrainedTensor[]): void {
  if (ranks.size === 1) return;
  const hash = createHash("sha1");
  for (const { parameter } of trained) hash.update(parameter.tensor.bytes());
  const [first, ...others] = ranks.gather(hash.digest("hex"));
  const other = others.findIndex((found) => found !== first);
  if (other < 0) return;
  throw new BidoraError(
    "RANKS_DIFFER",
    `Rank ${other + 1} no longer has the same trained tensors as rank 0: their machines compute differently, or one is faulty. With different processors, set BIDORA_CPU to an ISA variant that all of them have, then continue from the last checkpoint with --resume.`,
  );
}

/** How many times steps went on with the next batches. */
interface Skips {
  /** Because the loss or a gradient was not finite. */
  readonly skipped: number;
  /** Because the loss's scale was too large for float16. */
  readonly overflows: number;
}

/**
 * Batches whose loss or gradient is not finite. By default the first one ends the run. Otherwise a step goes on with the next batches in
 * the order of the data, up to a number of times in the whole run. After an overflow of scaled gradients a step always goes on.
 */
export class NonFiniteBatches {
  #skips: Skips = { skipped: 0, overflows: 0 };

  /** @param most how many times a step may go on, apart from overflows; 0 to end at the first */
  constructor(readonly most = 0) {}

  /** How many times the steps so far went on. */
  get total(): number {
    return this.#skips.skipped + this.#skips.overflows;
  }

  /** What a checkpoint keeps of it: the numbers that are not zero. */
  get state(): Partial<Skips> {
    const { skipped, overflows } = this.#skips;
    return { ...(skipped > 0 && { skipped }), ...(overflows > 0 && { overflows }) };
  }

  /** Takes over the numbers of earlier sessions. */
  restore({ skipped = 0, overflows = 0 }: { readonly [key in keyof Skips]?: number | undefined }): void {
    this.#skips = { skipped, overflows };
  }

  /** Does one step of a rule. @throws BidoraError `LOSS_NOT_FINITE` for one batch too many */
  step(rule: StepRule): StepReport {
    let skips = this.#skips;
    for (;;) {
      try {
        const report = torch.scope(() => rule.step());
        const before = this.total;
        this.#skips = skips;
        return this.total === before ? report : { ...report, skipped: this.total - before };
      } catch (error) {
        skips = this.#after(error, skips);
      }
    }
  }

  /** @throws the error of a step that does not go on */
  #after(error: unknown, { skipped, overflows }: Skips): Skips {
    if (error instanceof GradientOverflow) return { skipped, overflows: overflows + 1 };
    if (!(error instanceof BidoraError && error.code === "LOSS_NOT_FINITE")) throw error;
    if (skipped >= this.most) throw this.#tooMany(error);
    return { skipped: skipped + 1, overflows };
  }

  #tooMany(error: BidoraError): BidoraError {
    if (this.most === 0) return error;
    const advice = `${SMALLER_STEPS}; --max-skipped ${this.most} batches were skipped before`;
    return new BidoraError(error.code, { ...error.parts, advice }, { cause: error });
  }
}

/** Adds the step's number to the message of an error in it. */
function inStep<T>(step: number, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof BidoraError) error.prefix(`Step ${step}: `);
    else if (error instanceof Error) error.message = `Step ${step}: ${error.message}`;
    throw error;
  }
}

class Handle implements RunHandle {
  isStopped = false;

  constructor(
    readonly rule: StepRule,
    readonly step: number,
    readonly phaseStep: number,
    readonly observers: readonly RunObserver[],
  ) {}

  get phase(): Phase {
    return this.rule.phase;
  }

  get isPhaseEnd(): boolean {
    return this.phaseStep === this.rule.steps;
  }

  emit(event: Untimed): Promise<void> {
    return notify(this.observers, event, this);
  }

  stop(): void {
    this.isStopped = true;
  }
}
