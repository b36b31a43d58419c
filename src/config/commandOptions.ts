/** The options of the commands beside `finetune`: mostly the run's own, so that a word means the same everywhere. */

import { MAGNITUDE_AXES } from "../adapters/index.js";
import {
  asRare,
  choice,
  type Given,
  inGroup,
  modules,
  names,
  number,
  omit,
  option,
  pick,
  text,
  toggle,
  whole,
} from "./option.js";
import { comparisonOptions } from "./options/compare.js";
import { generationOptions } from "./options/generation.js";
import { runOptions } from "./options.js";

const session = pick(runOptions, "json", "quiet", "debug");
const base = {
  ...pick(runOptions, "model", "revision"),
  adapter: { ...runOptions.adapter, help: "the adapter to put into it" },
};
const reading = pick(runOptions, "task", "textColumns", "labelColumn", "maxLength", "batchSize", "dtype", "threads");
/** Which rows of a data set. */
const part = {
  split: option(choice(["validation", "test", "train"]), {
    group: "Data",
    help: "the part of a named data set",
    defaultText: "validation, or test where it has none",
  }),
  limit: option(whole(1), {
    group: "Data",
    help: "the first so many rows; where texts are judged, prompts",
    defaultText: "all",
  }),
};
const overwrite = { overwrite: { ...runOptions.overwrite, help: "replace what bidora wrote there; other files stay" } };

export const evaluateOptions = {
  ...base,
  ...reading,
  ...pick(runOptions, "trainOn"),
  data: option(text("PATH"), { group: "Data", help: "labelled rows: a file, or a named data set's folder" }),
  ...part,
  predictions: option(text("FILE"), {
    group: "Data",
    help: "judge these, one JSON object a row as predict writes them, and no model",
  }),
  confidence: option(number({ above: 0, below: 1 }), {
    group: "Figures",
    help: "intervals of this confidence for every metric: Wilson score for proportions of rows, otherwise bootstrap",
    defaultText: "none",
  }),
  seed: option(whole(0), { group: "Figures", help: "of the bootstrap", default: 0, advanced: true }),
  texts: option(toggle, {
    group: "Texts",
    help: "go on from prompts, and judge the texts",
    defaultText: "with data sets such as e2e-nlg",
  }),
  ...inGroup("Texts", pick(generationOptions, "maxNewTokens", "beams", "lengthPenalty", "noRepeatNgram")),
  ...session,
};

/** What `evaluate` takes: the flags of `bidora evaluate`, in camelCase. */
export type EvaluateSettings = Given<typeof evaluateOptions>;

export const predictOptions = {
  ...base,
  ...omit(reading, "labelColumn"),
  input: option(text("PATH"), {
    group: "Data",
    help: "the rows, whose label may be missing: a file, or a named data set's folder",
  }),
  ...part,
  maxNewTokens: { ...generationOptions.maxNewTokens, help: "tokens after a prompt, at most; only with causal-lm" },
  output: option(text("FILE"), { group: "Output", help: "one JSON object a row, in the same order" }),
  ...overwrite,
  ...session,
};

/** What `predict` takes: the flags of `bidora predict`, in camelCase. */
export type PredictSettings = Given<typeof predictOptions>;

export const generateOptions = {
  ...base,
  merge: option(toggle, { group: "Model", help: "put the adapter into the weights first", default: false }),
  prompt: option(text("TEXT"), { group: "Data", help: "what to go on from, as it is" }),
  input: option(text("FILE"), { group: "Data", help: "rows, each with a prompt or messages" }),
  chat: option(toggle, { group: "Data", help: "a conversation in the terminal", default: false }),
  system: option(text("TEXT"), { group: "Data", help: "what --chat begins with", advanced: true }),
  batchSize: { ...runOptions.batchSize, group: "Data", help: "rows that are gone on with at once" },
  ...generationOptions,
  dtype: { ...runOptions.dtype, group: "Model" },
  threads: { ...runOptions.threads, group: "Model" },
  output: option(text("FILE"), {
    group: "Output",
    help: "one JSON object a row, in the same order",
    defaultText: "stdout",
  }),
  ...overwrite,
  ...session,
};

/** What `generate` takes: the flags of `bidora generate`, in camelCase. */
export type GenerateSettings = Given<typeof generateOptions>;

/** What of it names prompts, and where texts go. */
export const promptKeys = ["prompt", "input", "chat", "system", "output", "overwrite"] as const;

export const generatorOptions = omit(generateOptions, ...promptKeys);

/** What a `TextGenerator` takes: the flags of `bidora generate` that do not name prompts or files, in camelCase. */
export type GeneratorSettings = Given<typeof generatorOptions>;

/** Without the settings that are about prompts and files alone. */
export const generatorSettings = (given: GenerateSettings): GeneratorSettings => omit(given, ...promptKeys);

export const mergeOptions = {
  ...base,
  output: option(text("DIR"), { group: "Output", help: "the folder of the merged model" }),
  ...overwrite,
  ...session,
};

/** What `merge` takes: the flags of `bidora merge`, in camelCase. */
export type MergeSettings = Given<typeof mergeOptions>;

export const exportOptions = {
  ...base,
  to: option(choice(["peft-lora", "gguf-lora", "gguf"]), { group: "Export", help: "the format" }),
  outtype: option(choice(["f32", "f16", "bf16", "q8_0"]), {
    group: "Export",
    help: "what matrices in a GGUF file are kept in; of gguf-lora f32 or f16",
    defaultText: "f16; of gguf-lora f32",
  }),
  rank: option(whole(1), { group: "Export", help: "of the LoRA that a DoRA adapter becomes", defaultText: "as it is" }),
  output: option(text("PATH"), { group: "Output", help: "where the result goes: a folder, or a .gguf file" }),
  ...overwrite,
  ...session,
};

/** What `exportAdapter` takes: the flags of `bidora export`, in camelCase. */
export type ExportSettings = Given<typeof exportOptions>;

export const verifyOptions = {
  ...omit(
    runOptions,
    "validation",
    "test",
    "testSplit",
    "method",
    "epochs",
    "maxSteps",
    "warmupRatio",
    "schedule",
    "output",
    "overwrite",
    "resume",
    "dashboard",
    "evalEvery",
    "saveEvery",
    "keepCheckpoints",
    "earlyStopping",
    "log",
    "profile",
    "retrainSteps",
    "retrainEpochs",
    "retrainLearningRate",
    "searchPatience",
    "warmStart",
  ),
  learningRate: { ...runOptions.learningRate, defaultText: "1e-3" },
  method: option(choice(["bidora"]), { group: "Method", help: "the one with hypergradients", default: "bidora" }),
  precision: option(choice(["float64", "float32"]), {
    group: "Training",
    help: "of everything, in place of the run's own dtype",
    defaultText: "--dtype",
  }),
};

/** A run's own, so that its command can be asked for its rows first. */
export const previewOptions = {
  ...omit(runOptions, "resume", "overwrite", "profile", "keepCheckpoints", "dashboard"),
  limit: option(whole(1), { group: "Data", help: "how many rows are shown", default: 5 }),
};

/** A run's own, which go for every run of the comparison, and what is compared. */
export const compareOptions = {
  ...comparisonOptions,
  ...pick(runOptions, "model", "task", "train", "validation", "epochs", "maxSteps"),
  ...asRare(
    omit(
      runOptions,
      ...(["model", "task", "train", "validation", "epochs", "maxSteps"] as const),
      ...(["method", "seed", "output", "overwrite", "resume", "profile", "adapter", "dashboard"] as const),
    ),
  ),
  dashboard: { ...runOptions.dashboard, help: "serve how far it is, live, on any free port of this machine or =PORT" },
  output: option(text("DIR"), { group: "Output", help: "where its runs and tables go", default: "runs/comparison" }),
};

/** What `compare` takes: the flags of `bidora compare`, in camelCase. */
export type CompareSettings = Given<typeof compareOptions>;

/** A run's own. Nothing is written, so that where it would be matters little. */
export const estimateOptions = {
  ...omit(runOptions, "dashboard"),
  output: { ...runOptions.output, advanced: true },
  overwrite: { ...runOptions.overwrite, advanced: true },
  resume: { ...runOptions.resume, advanced: true },
};

export const quickstartOptions = {
  methods: option(names("NAMES"), { group: "Run", help: "what to compare", default: ["lora", "dora", "bidora"] }),
  output: option(text("DIR"), {
    group: "Run",
    help: "where results go",
    defaultText: "runs/quickstart, runs/quickstart-chat",
  }),
  overwrite: { ...overwrite.overwrite, group: "Run" },
  ...pick(runOptions, "seed", "threads"),
  ...session,
};

export const reportOptions = {
  output: option(text("FILE"), {
    group: "Output",
    help: "the HTML file",
    defaultText: "report.html in the run's or comparison's folder",
  }),
  ...overwrite,
  ...session,
};

export const analyzeOptions = {
  model: {
    ...runOptions.model,
    group: "Analysis",
    help: "the pretrained model: a local folder, a GGUF file or a Hub repository",
    defaultText: "the one that the run names",
  },
  revision: { ...runOptions.revision, group: "Analysis" },
  axis: option(choice(MAGNITUDE_AXES), {
    group: "Analysis",
    help: "vectors that have a magnitude each: a weight's output rows, or its input columns",
    defaultText: "that of the runs' magnitudes, else out",
  }),
  targetModules: option(modules, {
    group: "Analysis",
    placeholder: "M",
    help: "layers of a run with --method full: query,value; a pattern; or all-linear",
    defaultText: "by model",
  }),
  threads: { ...runOptions.threads, group: "Analysis" },
  output: option(text("DIR"), {
    group: "Output",
    help: "the folder of analysis.html and analysis.json",
    defaultText: "the run's, or the comparison's; of several the current one",
  }),
  overwrite: { ...runOptions.overwrite, help: "replace analysis.html and analysis.json, whoever wrote them" },
  ...session,
};

/** What `analyze` takes: the flags of `bidora analyze`, in camelCase. */
export type AnalyzeSettings = Given<typeof analyzeOptions>;

export const downloadOptions = { ...pick(runOptions, "revision"), ...session };

export const setupOptions = {
  yes: option(toggle, {
    group: "Run",
    help: "install system packages without asking, as root and in CI",
    default: false,
    session: true,
  }),
  ...session,
};

export const sessionOptions = session;
