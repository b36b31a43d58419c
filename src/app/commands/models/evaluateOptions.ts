// The options of `bidora evaluate`, and when each has an effect.
import {
  type AppliesWhen,
  allApplyWhen,
  both,
  number,
  option,
  pick,
  text,
  toggle,
  whole,
} from "../../../base/settings/index.js";
import {
  baseModel,
  conversations,
  evaluatedTexts,
  lossOptions,
  partOptions,
  plainPooling,
  rowOptions,
  runOptions,
  session,
} from "../../../tasks/config/index.js";

/** Facts about a call once its task is known. */
export interface EvaluateFacts {
  readonly confidence?: number | undefined;
  readonly predictions?: string | undefined;
  /** Whether texts are generated and evaluated. */
  readonly hasTexts?: boolean;
  readonly isGenerative?: boolean | undefined;
  readonly isDatasetFolder?: boolean;
  readonly adapter?: string | undefined;
  /** Whether there is something to compare an adapter with. */
  readonly hasBaseline?: boolean;
  /** Whether rows are pairs whose anchors' positives are searched for. */
  readonly hasPairs?: boolean | undefined;
}

const withModel: AppliesWhen = {
  only: "without --predictions",
  holds: ({ predictions }: EvaluateFacts) => predictions === undefined,
};

const withTexts: AppliesWhen = {
  only: "if generated texts are scored, with --texts",
  holds: ({ hasTexts }: EvaluateFacts) => hasTexts !== false,
};

const onLabeledFile: AppliesWhen = {
  only: "on a file of rows with labels",
  holds: ({ isDatasetFolder, isGenerative }: EvaluateFacts) => isDatasetFolder !== true && isGenerative !== true,
};

const notOfTexts: AppliesWhen = {
  only: "without --predictions of texts",
  holds: ({ predictions, isGenerative }: EvaluateFacts) => predictions === undefined || isGenerative !== true,
};

const withAdapter: AppliesWhen = {
  only: "with --adapter, where the base model has the head or one prediction can be made for every row",
  holds: ({ adapter, hasBaseline }: EvaluateFacts) => adapter !== undefined && hasBaseline !== false,
};

/** The options of `bidora evaluate`. */
export const evaluateOptions = {
  ...allApplyWhen(withModel, baseModel),
  pooling: { ...plainPooling.pooling, appliesWhen: both(withModel, plainPooling.pooling.appliesWhen) },
  ...allApplyWhen(withModel, conversations),
  ...pick(rowOptions, "task"),
  textColumns: { ...rowOptions.textColumns, appliesWhen: both(rowOptions.textColumns.appliesWhen, notOfTexts) },
  ...pick(rowOptions, "labelColumn"),
  positiveLabel: { ...runOptions.positiveLabel, defaultText: "as the run recorded it, else the label with index 1" },
  dropUnlabeled: { ...runOptions.dropUnlabeled, appliesWhen: both(withModel, onLabeledFile) },
  ...allApplyWhen(withModel, {
    ...pick(rowOptions, "maxLength", "batchSize", "dtype", "baseDtype", "device", "threads"),
    ...pick(runOptions, "trainOn"),
    ...lossOptions,
  }),
  data: option(text("PATH"), { group: "Data", help: "labeled rows: a file, or a named data set's folder" }),
  corpus: option(text("FILE"), {
    group: "Data",
    help: "rows with a text: anchors' positives are searched among these too",
    defaultText: "only the positives of --data",
    appliesWhen: both(withModel, {
      only: "with embedding, on pairs without scores",
      holds: ({ hasPairs }: EvaluateFacts) => hasPairs !== false,
    }),
  }),
  ...partOptions,
  predictions: option(text("FILE"), {
    group: "Data",
    help: "evaluate these predictions (one JSON object per row, as predict writes them) instead of a model",
  }),
  baseline: option(toggle, {
    group: "Figures",
    help: "also show the metrics of the base model, or of always predicting the same where the adapter's head is new, and which rows changed",
    defaultText: "with --adapter, unless generated texts are scored",
    appliesWhen: both(withModel, withAdapter),
    valueAppliesWhen: {
      false: { only: "if no generated texts are scored", holds: ({ hasTexts }: EvaluateFacts) => hasTexts !== true },
    },
  }),
  confidence: option(number({ above: 0, below: 1 }), {
    group: "Figures",
    help: "add confidence intervals at this level: Wilson score for proportions of rows, otherwise bootstrap",
    defaultText: "none",
  }),
  seed: option(whole(0), {
    group: "Figures",
    help: "seed of the bootstrap",
    default: 0,
    advanced: true,
    appliesWhen: { only: "with --confidence", holds: ({ confidence }: EvaluateFacts) => confidence !== undefined },
  }),
  texts: option(toggle, {
    group: "Texts",
    help: "generate texts from the prompts and evaluate them",
    defaultText: "with data sets such as e2e-nlg",
    appliesWhen: both(withModel, {
      only: "with causal-lm",
      holds: ({ isGenerative }: EvaluateFacts) => isGenerative !== false,
    }),
  }),
  ...evaluatedTexts(both(withModel, withTexts)),
  ...session,
};
