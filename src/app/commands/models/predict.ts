/** `bidora predict`: one prediction per row. */

import { ResultStream, UsageError } from "../../../base/index.js";
import { freeFile } from "../../../base/records/index.js";
import {
  type AppliesWhen,
  choice,
  type Given,
  group,
  omit,
  refuseWithoutEffect,
  type Settings,
  text,
} from "../../../base/settings/index.js";
import {
  baseModel,
  conversations,
  generationOptions,
  overwrite,
  partOptions,
  plainPooling,
  rowOptions,
  session,
} from "../../../tasks/config/index.js";
import { type Example, type LanguageExample, promptsWithReferences } from "../../../tasks/data/index.js";
import { chosenTask, isNamedFolder, type NamedChoice, readSplit, type Split } from "../../../tasks/datasets/index.js";
import {
  type ExamplesOf,
  findModel,
  openForInference,
  type Prediction,
  predictions,
} from "../../../use/inference/index.js";
import { type Context, checkedCall, defineCommand, HUB_HOOKS, type HubHooks } from "../command.js";
import { submissionTo, submitted } from "./glueSubmission.js";
import { ROW_FORMATS, writtenTo } from "./rowFiles.js";

const data = group("Data");
const output = group("Output");

const withEmbeddings: AppliesWhen = {
  only: "with embedding and --output",
  holds: ({ isEmbedding, output }: { readonly isEmbedding?: boolean; readonly output?: string | undefined }) =>
    isEmbedding !== false && output !== undefined,
};

const rowFormats = ["jsonl", "npy", "f32"] as const satisfies (keyof typeof ROW_FORMATS)[];

const options = {
  ...baseModel,
  ...plainPooling,
  ...conversations,
  ...omit(rowOptions, "labelColumn"),
  input: data(text("PATH"), "rows to predict, with or without labels: a file, or a named data set's folder"),
  ...partOptions,
  maxNewTokens: {
    ...generationOptions.maxNewTokens,
    help: "maximum number of tokens to generate",
    appliesWhen: {
      only: "with causal-lm",
      holds: ({ isGenerative }: { readonly isGenerative?: boolean }) => isGenerative !== false,
    },
  },
  output: output(text("FILE"), "file for one JSON object per row, in the order of the rows"),
  format: output(
    choice([...rowFormats, "glue"]),
    "the output's format: JSON lines; embeddings as float32 [rows, width], as a NumPy file or without a header; or a folder of the files that GLUE's server takes",
    { default: "jsonl", valueAppliesWhen: { npy: withEmbeddings, f32: withEmbeddings } },
  ),
  ...overwrite,
  ...session,
};

/** What `predict` takes: the flags of `bidora predict`, in camelCase. */
export type PredictSettings = Given<typeof options>;

type PredictCall = Settings<typeof options>;

export const predictCommand = defineCommand({
  usage: "predict --model M [--adapter A] --input PATH --output FILE",
  about: "Writes one JSON line with a prediction for each row, in the order of the rows.",
  options,
  hooks: [...HUB_HOOKS, "task"],
  leavesFiles: true,
  async run(settings, context) {
    requireInput(settings);
    if (settings.output === undefined) throw new UsageError("--output is missing: give the file to write.");
    let rows = 0;
    for await (const _ of predictionsFor(settings, context)) rows++;
    return { rows, path: settings.output };
  },
  show: ({ rows, path }) => ({ value: { rows, output: path }, text: `${rows} rows in ${path}` }),
});

/**
 * Predicts each row of `input`, in order. `await` returns all predictions, `for await` streams them. With `output` they are also written
 * to that file, after the last one.
 * @throws UsageError for missing settings; BidoraError `OUTPUT_IN_USE`, `NOT_FINITE` naming the row, and for rows that do not fit
 */
export const predict = (settings: PredictSettings, hooks: HubHooks<"task"> = {}): ResultStream<Prediction> =>
  new ResultStream(async function* () {
    yield* predictionsFor(...checkedCall("predict", predictCommand, settings, hooks));
  });

function requireInput({ input }: PredictCall): string {
  if (input === undefined) throw new UsageError("--input is missing: give a file with the rows.");
  return input;
}

/** Predicts rows and, with `output`, writes the file after the last one. */
async function* predictionsFor(settings: PredictCall, context: Context): AsyncGenerator<Prediction> {
  const { output, split, limit, overwrite, model, adapter } = settings;
  const { signal, onNote } = context;
  const input = requireInput(settings);
  const inputs = [input, model, adapter];
  const asked = chosenTask(settings.task, context.task);
  const folder = asked && isNamedFolder(asked, input) ? asked : undefined;
  const { format } = settings;
  const submission = format === "glue" ? submissionTo(output, folder, { ...settings, inputs }) : undefined;
  const path = output === undefined || submission ? undefined : freeFile(output, overwrite, inputs);
  refuseWithoutEffect(options, settings, { isDatasetFolder: folder !== undefined });
  const found = await findModel(settings, context);
  const open = await openForInference(found, settings, asked);
  const isEmbedding = open.task.embedding !== undefined;
  refuseWithoutEffect(options, settings, { isEmbedding, ...(!open.task.isGenerative && { isGenerative: false }) });
  let examples: readonly Example[] = [];
  const examplesOf: ExamplesOf = async (readFile) => {
    const all = folder ? await rowsOfSplit(folder, input, submission ? "test" : split) : (await readFile()).examples;
    examples = all.slice(0, limit);
    return examples;
  };
  const rows = predictions(open, input, { ...settings, signal, onNote }, examplesOf);
  if (submission) yield* submitted(submission, rows, { labels: open.labels, examplesOf: () => examples, onNote });
  else yield* writtenTo(path, rows, format === "glue" ? undefined : ROW_FORMATS[format]);
}

/** One row per prompt if the data set is reported by texts. */
async function rowsOfSplit(choice: NamedChoice, folder: string, split: Split | undefined): Promise<readonly Example[]> {
  const { examples } = await readSplit(choice, folder, split);
  if (!choice.texts) return examples;
  return promptsWithReferences(examples as readonly LanguageExample[]).map(({ example }) => example);
}
