import { join } from "node:path";
import { EVENTS, PROFILE, type RunEvent, TENSORBOARD } from "../../base/records/index.js";
import { type CheckpointOptions, type CheckpointRequest, checkpointer } from "../checkpoints/checkpoints.js";
import type { LatestState } from "../checkpoints/rescue.js";
import { byMetric, byUpperLoss, EarlyStopping, evaluator } from "../loop/earlyStopping.js";
import { type RunObserver, runLogWriter, type StagedObservers } from "../loop/observer.js";
import { profiler } from "../observers/profiler.js";
import { tensorboardWriter } from "../observers/tensorboard.js";
import { stopsBy } from "./judgedBy.js";
import type { Prepared } from "./prepare.js";
import type { RunEvaluation } from "./runEvaluation.js";

interface ObserverOptions {
  /** Receive every event of the run. */
  readonly listeners: readonly ((event: RunEvent) => void)[];
  readonly followers: readonly RunObserver[];
  readonly earlyStopping: EarlyStopping | undefined;
  readonly checkpoint: CheckpointOptions;
  /** Requests for checkpoints in addition to those of the settings. */
  readonly checkpoints: CheckpointRequest | undefined;
  readonly latestState: LatestState;
  readonly evaluation: RunEvaluation;
  /** The step that the run continues from. */
  readonly from: number;
  /** Called once, before anything is written into the run's folder. */
  readonly prepareFolder: () => void;
  /** Whether that has succeeded. */
  readonly isPrepared: () => boolean;
}

/** All observers of a run, by stage. */
export function runObservers(prepared: Prepared, options: ObserverOptions): StagedObservers {
  const { config, adapted, start, data, ranks } = prepared;
  const { listeners, followers, earlyStopping, checkpoint, checkpoints, latestState, from, prepareFolder, isPrepared } =
    options;
  const { evalEvery: every, saveEvery } = config;
  const writes = ranks.rank === 0;
  const evaluate = () => options.evaluation.rows(data.holdout ? "holdout" : "validation");
  return {
    record: writes ? [runLogWriter(join(config.output, EVENTS), { prepare: prepareFolder, from })] : [],
    follow: [
      ...listeners.map((on) => ({ on })),
      ...followers,
      ...(writes && config.log?.includes("tensorboard") ? [tensorboardOf(prepared, options)] : []),
      ...(writes && config.profile ? [profilerOf(prepared)] : []),
    ],
    measure:
      every && (data.holdout ?? data.validation)
        ? [evaluator({ every, evaluate, trained: adapted.trained, start })]
        : [],
    judge: earlyStopping ? [earlyStopping] : [],
    save: [onlyIf(isPrepared, checkpointer(saveEvery, checkpoints, checkpoint))],
    keep: [latestState],
  };
}

const onlyIf = (isWanted: () => boolean, { on }: RunObserver): RunObserver => ({
  on: (event, run) => (isWanted() ? on(event, run) : undefined),
});

export function earlyStoppingOf({ config, choice, labels, adapted }: Prepared): EarlyStopping | undefined {
  const { earlyStopping, searchPatience } = config;
  if (earlyStopping === undefined && searchPatience === undefined) return undefined;
  const judge = stopsBy(config, { choice, labels });
  const criterion = judge && byMetric(judge.metric, { patience: earlyStopping as number, goal: judge.goal });
  const search = searchPatience === undefined ? criterion : byUpperLoss(searchPatience);
  const criteria = { ...(criterion && { train: criterion, retrain: criterion }), ...(search && { search }) };
  return new EarlyStopping({ criteria, trained: adapted.trained });
}

function tensorboardOf({ config, data }: Prepared, { from, isPrepared }: ObserverOptions): RunObserver {
  const evaluated = data.holdout ? "holdout" : "validation";
  return tensorboardWriter({ folder: join(config.output, TENSORBOARD), from, evaluated, isPrepared });
}

function profilerOf({ config, loaded }: Prepared): RunObserver {
  const [table, trace] = [PROFILE.table, PROFILE.trace].map((name) => join(config.output, name)) as [string, string];
  return profiler({ model: loaded.model, table, trace });
}
