/** `bidora predict`: one prediction per row. */

import { UsageError } from "../common/errors.js";
import { baseModel, generationOptions, overwrite, partOptions, rowOptions, session } from "../config/index.js";
import {
  type Dataset,
  type Example,
  type LanguageExample,
  loadLanguage,
  promptsWithReferences,
} from "../data/index.js";
import { askedTask } from "../datasets/choice.js";
import type { Split } from "../datasets/dataset.js";
import { isNamedFolder, type NamedChoice, readRows, readSplit, usualColumns } from "../datasets/splits.js";
import { freeFile } from "../files/outputFolder.js";
import { checkTexts, lengthFor, type OpenModel, openForUse } from "../inference/openModel.js";
import { TextGenerator } from "../inference/textGenerator.js";
import { writeLines } from "../inference/writeLines.js";
import { text } from "../settings/kinds.js";
import { type Given, omit, option } from "../settings/option.js";
import { refuseWithoutEffect, type Settings } from "../settings/settings.js";
import { encodeRows } from "../tasks/index.js";
import { namingBadWeights, weightsOf } from "../train/badWeights.js";
import { predictRows } from "../train/evaluation.js";
import { call, defineCommand, type Hooks } from "./command.js";

const options = {
  ...baseModel,
  ...omit(rowOptions, "labelColumn"),
  input: option(text("PATH"), {
    group: "Data",
    help: "rows to predict, with or without labels: a file, or a named data set's folder",
  }),
  ...partOptions,
  maxNewTokens: {
    ...generationOptions.maxNewTokens,
    help: "most tokens to generate after a prompt",
    appliesWhen: {
      only: "with causal-lm",
      holds: ({ isGenerative }: { readonly isGenerative?: boolean }) => isGenerative !== false,
    },
  },
  output: option(text("FILE"), { group: "Output", help: "file for one JSON object per row, in the order of the rows" }),
  ...overwrite,
  ...session,
};

/** What `predict` takes: the flags of `bidora predict`, in camelCase. */
export type PredictSettings = Given<typeof options>;

/** What `predict` wrote. */
export interface PredictResult {
  readonly rows: number;
  readonly path: string;
}

export const predictCommand = defineCommand({
  usage: "predict --model M [--adapter A] --input PATH --output FILE",
  about: "Writes one JSON line with a prediction for each row, in the order of the rows.",
  options,
  hooks: ["signal", "onNote", "onDownload", "hub", "task"],
  leavesFiles: true,
  async run(settings, { signal, hub, task: own }): Promise<PredictResult> {
    const { input, output } = settings;
    if (input === undefined) throw new UsageError("--input is missing: give a file with the rows.");
    if (output === undefined) throw new UsageError("--output is missing: give the file to write.");
    const read = [input, settings.model, settings.adapter].filter((path) => path !== undefined);
    const path = freeFile(output, settings.overwrite, read);
    const asked = askedTask(settings.task, own);
    const folder = asked && isNamedFolder(asked, input) ? asked : undefined;
    refuseWithoutEffect(options, settings, { isDatasetFolder: folder !== undefined });
    const open = await openForUse(settings, asked, hub);
    const rowsOf: RowsOf = async (readFile) => {
      const examples = folder ? await rowsOfSplit(folder, input, settings.split) : (await readFile()).examples;
      return examples.slice(0, settings.limit);
    };
    const lines: string[] = [];
    await predictEach(open, input, settings, rowsOf, signal, (prediction) =>
      lines.push(`${JSON.stringify(prediction)}\n`),
    );
    writeLines(path, lines);
    return { rows: lines.length, path: output };
  },
  show: ({ rows, path }) => ({ value: { rows, output: path }, text: `${rows} rows in ${path}` }),
});

/**
 * Writes one JSON object for each row of `input`, in the order of the rows.
 * @throws UsageError for what is missing, BidoraError `OUTPUT_IN_USE`, `NOT_FINITE` naming the row, and what does not fit
 */
export const predict = (
  settings: PredictSettings,
  hooks: Pick<Hooks, "signal" | "onNote" | "onDownload" | "hub" | "task"> = {},
): Promise<PredictResult> => call("predict", predictCommand, settings, hooks);

/** Gives the rows of the input, with `readFile` if it is a file. */
type RowsOf = (readFile: () => Promise<Dataset>) => Promise<readonly Example[]>;

type Predict = (
  open: OpenModel,
  input: string,
  settings: Settings<typeof options>,
  rowsOf: RowsOf,
  signal: AbortSignal | undefined,
  onPrediction: (prediction: object) => void,
) => Promise<void>;

const predictEach: Predict = (open, input, settings, ...rest) => {
  if (open.task.isGenerative) return generateAnswers(open, input, settings, ...rest);
  refuseWithoutEffect(options, settings, { isGenerative: false });
  return readOutputs(open, input, settings, ...rest);
};

const readOutputs: Predict = async (open, input, settings, rowsOf, signal, onPrediction) => {
  const { task, labels } = open;
  const columns = { textColumns: settings.textColumns, ...usualColumns(open.metadata) };
  const examples = await rowsOf(async () => {
    const dataset = await readRows(task, input, columns, "optional");
    checkTexts(dataset, open, input, settings);
    return dataset;
  });
  const rows = await encodeRows(task, examples.map(withoutLabel), open.tokenizer, {
    labels: undefined,
    maxLength: lengthFor(settings, open),
    model: open.model.config,
  });
  const { batchSize } = settings;
  await namingBadWeights(
    () => ({ folder: open.folder, weights: weightsOf(open.model) }),
    () =>
      predictRows(open.model, rows, { task, labels, batchSize, signal }, (_, prediction) => onPrediction(prediction)),
  );
};

/** Generates with greedy search. An answer at the end of a conversation is left out: it is what is predicted. */
const generateAnswers: Predict = async (open, input, settings, rowsOf, signal, onPrediction) => {
  const columns = { textColumns: settings.textColumns, usualTextColumns: usualColumns(open.metadata).usualTextColumns };
  const examples = await rowsOf(() => loadLanguage(input, { labels: "optional", ...columns }));
  const generator = await TextGenerator.greedy(
    open,
    settings,
    "maxLength" in settings.given ? settings.maxLength : undefined,
  );
  for await (const { text, tokens } of generator.examples((examples as readonly LanguageExample[]).map(withoutAnswer), {
    signal,
  }))
    onPrediction({ text, tokens });
};

/** One row per prompt if the data set is reported by texts. */
async function rowsOfSplit(choice: NamedChoice, folder: string, split: Split | undefined): Promise<readonly Example[]> {
  const { examples } = await readSplit(choice, folder, split);
  if (!choice.texts) return examples;
  return promptsWithReferences(examples as readonly LanguageExample[]).map(({ example }) => example);
}

function withoutAnswer(example: LanguageExample): LanguageExample {
  const { input } = example;
  if (input.kind !== "messages" || input.messages.length < 2 || input.messages.at(-1)?.role !== "assistant")
    return example;
  return { ...example, input: { ...input, messages: input.messages.slice(0, -1) } };
}

/** Labels of the rows are ignored: the model may not even know them. */
function withoutLabel(example: Example): Example {
  return { ...example, label: undefined };
}
