/** Where options act that do not act everywhere. */
import type { MethodSetting } from "../adapters/index.js";
import { isNamedDataset, namedDatasets } from "../datasets/index.js";
import { OPTIMIZERS, type OptimizerName, type OptimizerOptions } from "../optim/index.js";
import type { Acts, Deciding } from "./acts.js";
import { estimatorsWith } from "./estimators.js";
import { METHODS, type Method, methodsWith } from "./methods.js";
import { alternatives } from "./option.js";

/** A setting of adapters: where the methods are that say they use it. */
export const whereUsed = (setting: MethodSetting): Acts => withMethods(...methodsWith(setting));

export function withMethods(...methods: readonly Method[]): Acts {
  return { only: `with --method ${alternatives(methods)}`, in: ({ method }) => methods.includes(method) };
}

/** Where ranks are taken away in training. */
export const withRanksToTake: Acts = {
  only: "with --method adalora and an --adalora-init-rank above --rank",
  in: ({ method, rank, adaloraInitRank = rank }) =>
    methodsWith("adaloraInitRank").includes(method) && adaloraInitRank > rank,
};

function withOptimizers(which: (name: OptimizerName) => boolean): Acts {
  const names = (Object.keys(OPTIMIZERS) as OptimizerName[]).filter(which);
  return { only: `with --optimizer ${alternatives(names)}`, in: ({ optimizer }) => names.includes(optimizer) };
}

export const withOptimizersThatUse = (key: Exclude<keyof OptimizerOptions, "weightDecay">): Acts =>
  withOptimizers((name) => OPTIMIZERS[name].uses.includes(key));

export const withDerivative: Acts = withOptimizers((name) => OPTIMIZERS[name].derivative !== undefined);

/** A part of what `--method bidora` offers: where else it acts, it says itself. */
function inBidora(only: string, acts: (run: Deciding) => boolean): Acts {
  return { only: `with --method bidora ${only}`, in: (run) => METHODS[run.method].isBilevel && acts(run) };
}

export function withEstimators(fact: Parameters<typeof estimatorsWith>[0]): Acts {
  const names = estimatorsWith(fact);
  return inBidora(`and --hypergradient ${alternatives(names)}`, ({ hypergradient }) => names.includes(hypergradient));
}

export const withRetraining: Acts = inBidora(
  "and a retrain phase",
  ({ retrainSteps, retrainEpochs }) => retrainSteps !== 0 && retrainEpochs !== 0,
);

export const withoutRetrainSteps: Acts = inBidora(
  "and without --retrain-steps",
  ({ retrainSteps }) => retrainSteps === undefined,
);

/** The losses of different folds' rows say nothing of each other. */
export const withoutFolds: Acts = inBidora(
  "and without --search-folds",
  ({ searchFolds }) => searchFolds === undefined,
);

/** A search with a patience of its own is judged by that. */
export const withPhaseToJudge: Acts = {
  only: "where there is a phase that --search-patience does not judge",
  in: (run) => !METHODS[run.method].isBilevel || run.searchPatience === undefined || withRetraining.in(run),
};

/** A file beside it stands in for that part of the data set. */
export const withNamedDataset: Acts = {
  only: "with a named data set as --task, such as glue/mrpc, of which --train, --validation or --test-split is left to it",
  in: ({ task, train, validation, testSplit }) =>
    isNamed(task) && (train === undefined || validation === undefined || testSplit === true),
};

/** Test rows without labels, such as GLUE's, give no figures. */
export const withTestSplit: Acts = {
  only: "with --data and a named data set as --task that has labelled test rows, such as reuters21578/modapte, and without --test",
  in: ({ task, data, test }) =>
    task !== undefined &&
    isNamedDataset(task) &&
    namedDatasets[task].labelled.includes("test") &&
    data !== undefined &&
    test === undefined,
};

/** Texts are generated where the data set is reported by them. */
export const withTexts: Acts = {
  only: "with a data set as --task that is reported by texts, such as e2e-nlg",
  in: ({ task }) => task !== undefined && isNamedDataset(task) && namedDatasets[task].texts === true,
};

/** A named data set's own files have columns that are known. */
export const withFiles: Acts = {
  only: "on files of rows, not on a named data set's own",
  in: ({ task, data, train, validation, test }) =>
    !isNamed(task) || data === undefined || [train, validation, test].some((file) => file !== undefined),
};

export const withSaving: Acts = { only: "with --save-every", in: ({ saveEvery }) => saveEvery !== undefined };

const isNamed = (task: string | undefined): boolean => task !== undefined && isNamedDataset(task);
