import { didYouMean, kebabCase, own, UsageError } from "../../base/index.js";
import type { Goal, Metrics, Phase, RunEvent } from "../../base/records/index.js";
import type { TrainedTensor } from "../../models/adapters/index.js";
import type { RunConfig } from "../../tasks/config/index.js";
import type { TaskChoice } from "../../tasks/datasets/index.js";
import { goalOf } from "../../tasks/index.js";
import {
  disposeSnapshot,
  magnitudeMovement,
  restoreSnapshot,
  type Snapshot,
  takeSnapshot,
} from "../steps/trainedTensors.js";
import type { PhasePlan } from "./loop.js";
import type { RunHandle, RunObserver } from "./observer.js";

/** The value that early stopping watches in a phase. */
export interface StoppingCriterion {
  /** The number of values without an improvement after which the phase ends. */
  readonly patience: number;
  readonly goal: Goal;
  /**
   * Whether it waits for the training: a state that no step has moved is never the best, and patience begins after the warm-up and a
   * first pass over the rows.
   */
  readonly waits: boolean;
  /** The value in an event; undefined for other events. */
  valueOf(event: RunEvent): number | undefined;
}

interface EarlyStoppingOptions {
  /** By phase; other phases are not stopped early. */
  readonly criteria: Readonly<Partial<Record<Phase, StoppingCriterion>>>;
  readonly trained: readonly TrainedTensor[];
}

interface EarlyStoppingState {
  readonly phase: Phase | undefined;
  readonly best: number;
  readonly failures: number;
}

/** Watches a metric of a phase's evaluations. */
export const byMetric = (metric: string, options: Pick<StoppingCriterion, "patience" | "goal">): StoppingCriterion => ({
  ...options,
  waits: true,
  valueOf: (event) => (event.event === "evaluation" ? valueIn(event.metrics, metric) : undefined),
});

/** @throws UsageError for a metric that the evaluated rows do not have, such as a mean over rows of a kind that is missing */
function valueIn(metrics: Metrics, metric: string): number {
  const value = own(metrics, metric);
  if (value !== undefined) return value;
  throw new UsageError(
    `Early stopping goes by ${metric}, but the evaluation gave only ${Object.keys(metrics).join(", ")}: name one of these by --early-stopping-metric.`,
  );
}

/** Watches a search's mean loss of each pass over the upper level's rows. */
export const byUpperLoss = (patience: number): StoppingCriterion => ({
  patience,
  goal: "minimize",
  waits: false,
  valueOf: (event) => (event.event === "step" ? event.upperPassLoss : undefined),
});

/** Ends a phase when its watched value stops improving, and restores the best state. */
export class EarlyStopping implements RunObserver {
  #phase: Phase | undefined;
  #best = Number.NaN;
  #failures = 0;
  #snapshot: Snapshot | undefined;

  constructor(readonly options: EarlyStoppingOptions) {}

  /** The best state of the current phase. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  get state(): EarlyStoppingState {
    return { phase: this.#phase, best: this.#best, failures: this.#failures };
  }

  restore(state: EarlyStoppingState, snapshot: Snapshot): void {
    this.#phase = state.phase;
    this.#best = state.best;
    this.#failures = state.failures;
    this.#snapshot = snapshot;
  }

  on(...[event, run]: Parameters<RunObserver["on"]>): void {
    if ((event.event !== "evaluation" && event.event !== "step") || !run) return;
    const criterion = this.options.criteria[event.phase];
    if (!criterion) return;
    const value = criterion.valueOf(event);
    if (value !== undefined) this.#observe(value, criterion, run);
    if (event.event !== "step") return;
    const isOver = this.#phase === event.phase && this.#failures >= criterion.patience;
    if (isOver) run.stop();
    if ((isOver || run.isPhaseEnd) && this.#phase === event.phase && this.#snapshot)
      restoreSnapshot(this.options.trained, this.#snapshot);
  }

  #observe(value: number, { goal, waits }: StoppingCriterion, { phase, rule }: RunHandle): void {
    if (waits && !rule.hasMoved) return;
    const isBetter = goal === "maximize" ? value > this.#best : value < this.#best;
    if (phase === this.#phase && !isBetter) {
      if (!waits || rule.isSettled) this.#failures += 1;
      return;
    }
    disposeSnapshot(this.#snapshot);
    this.#snapshot = takeSnapshot(this.options.trained);
    this.#phase = phase;
    this.#best = value;
    this.#failures = 0;
  }
}

/** A metric that states of a run are judged by, and which way is better. */
interface Judge {
  readonly metric: string;
  readonly goal: Goal;
}

/** A run's task, and the names of the model's outputs. */
interface Judged {
  readonly choice: TaskChoice;
  readonly labels: readonly string[];
}

/** The task's main metric. */
export function judgedBy({ choice, labels }: Judged): Judge {
  const { main, metric } = choice.task.scorer({ labels, metrics: choice.metrics });
  return { metric: main, goal: goalOf(main, metric) };
}

/** What early stopping goes by; undefined without it. @throws UsageError for a metric that the task does not have */
export function stopsBy(
  { earlyStopping, earlyStoppingMetric: asked }: Pick<RunConfig, "earlyStopping" | "earlyStoppingMetric">,
  { choice, labels }: Judged,
): Judge | undefined {
  if (earlyStopping === undefined) return undefined;
  if (asked === undefined) return judgedBy({ choice, labels });
  const { metric, names: all = Object.keys(metric.values) } = choice.task.scorer({ labels, metrics: choice.metrics });
  const names = [...new Set([...all, "loss"])];
  const found = names.find((name) => name === asked || kebabCase(name) === asked);
  if (found !== undefined) return { metric: found, goal: goalOf(found, metric) };
  throw new UsageError(
    `--early-stopping-metric takes ${names.join(", ")} for this task; got ${asked}.${didYouMean(asked, names)}`,
  );
}

/** The early stopping of a run; undefined without. */
export function earlyStoppingOf(
  config: RunConfig,
  judged: Judged,
  trained: readonly TrainedTensor[],
): EarlyStopping | undefined {
  const { earlyStopping, searchPatience } = config;
  if (earlyStopping === undefined && searchPatience === undefined) return undefined;
  const judge = stopsBy(config, judged);
  const criterion = judge && byMetric(judge.metric, { patience: earlyStopping!, goal: judge.goal });
  const search = searchPatience === undefined ? criterion : byUpperLoss(searchPatience);
  const criteria = { ...(criterion && { train: criterion, retrain: criterion }), ...(search && { search }) };
  return new EarlyStopping({ criteria, trained });
}

/** @throws UsageError for early stopping in a run that ends before its first evaluation */
export function checkEvaluated(
  { earlyStopping, evalEvery }: Pick<RunConfig, "earlyStopping" | "evalEvery">,
  plans: readonly Pick<PhasePlan, "steps">[],
): void {
  const steps = plans.reduce((all, plan) => all + plan.steps, 0);
  if (earlyStopping === undefined || evalEvery! <= steps) return;
  throw new UsageError(
    `No effect: --early-stopping goes by evaluations, and the run of ${steps} steps has none with --eval-every ${evalEvery}: give a smaller --eval-every.`,
  );
}

interface EvaluatorOptions {
  /** Steps between evaluations. */
  readonly every: number;
  readonly evaluate: () => Promise<Metrics>;
  readonly trained: readonly TrainedTensor[];
  readonly start: Snapshot;
}

/** Evaluates every `every` steps, and emits the metrics and the change of the magnitudes. */
export function evaluator(options: EvaluatorOptions): RunObserver {
  return {
    async on(event, run) {
      if (event.event !== "step" || !run || event.step % options.every !== 0) return;
      await emitEvaluation(await options.evaluate(), options, run);
    },
  };
}

/** Emits an `evaluation` event if there are metrics, and a `magnitudes` event if the method has magnitudes. */
export async function emitEvaluation(
  metrics: Metrics,
  { trained, start }: Pick<EvaluatorOptions, "trained" | "start">,
  run: Pick<RunHandle, "emit" | "phase" | "step">,
): Promise<void> {
  const { phase, step } = run;
  const layers = magnitudeMovement(trained, start);
  if (Object.keys(layers).length) await run.emit({ event: "magnitudes", phase, step, layers });
  if (Object.keys(metrics).length) await run.emit({ event: "evaluation", phase, step, metrics });
}
