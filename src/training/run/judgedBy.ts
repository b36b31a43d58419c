import { didYouMean, kebabCase, UsageError } from "../../base/index.js";
import type { Goal } from "../../base/records/index.js";
import type { RunConfig } from "../../tasks/config/index.js";
import type { TaskChoice } from "../../tasks/datasets/index.js";
import { goalOf } from "../../tasks/index.js";

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
  const { metric } = choice.task.scorer({ labels, metrics: choice.metrics });
  const names = [...new Set([...Object.keys(metric.values), "loss"])];
  const found = names.find((name) => name === asked || kebabCase(name) === asked);
  if (found !== undefined) return { metric: found, goal: goalOf(found, metric) };
  throw new UsageError(
    `--early-stopping-metric takes ${names.join(", ")} for this task; got ${asked}.${didYouMean(asked, names)}`,
  );
}
