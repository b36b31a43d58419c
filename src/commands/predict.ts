import { UsageError } from "../common/errors.js";
import { type PredictSettings, predictOptions, resolveSettings, type Settings } from "../config/index.js";
import { type Dataset, type Example, type LanguageExample, loadLanguage, meaningsOf } from "../data/index.js";
import {
  askedTask,
  isNamedFolder,
  type NamedChoice,
  readRows,
  readSplit,
  type Split,
  usualColumns,
} from "../datasets/index.js";
import { freeFile } from "../files/outputFolder.js";
import {
  checkHooks,
  checkTexts,
  type InferenceHooks,
  lengthFor,
  openForUse,
  refuseIdleParts,
} from "../inference/openForUse.js";
import type { OpenModel } from "../inference/openModel.js";
import { TextGenerator } from "../inference/textGenerator.js";
import { writeLines } from "../inference/writeLines.js";
import { encodeRows } from "../tasks/index.js";
import { namingBadWeights, weightsOf } from "../train/badWeights.js";
import { predictRows } from "../train/evaluation.js";

/** What `predict` wrote. */
export interface PredictResult {
  readonly rows: number;
  readonly path: string;
}

/**
 * Writes one JSON object for each row of `--input`, in the same order.
 * @throws UsageError for what is missing, BidoraError `OUTPUT_IN_USE`, `NOT_FINITE` naming the row, and what does not fit
 */
export async function predict(given: PredictSettings, hooks: InferenceHooks = {}): Promise<PredictResult> {
  checkHooks("predict", hooks, "signal", "hub", "task");
  const { signal, hub, task: own } = hooks;
  const settings = resolveSettings(predictOptions, given);
  const { input, output, overwrite } = settings;
  if (input === undefined) throw new UsageError("--input is missing: give a file with the rows.");
  if (output === undefined) throw new UsageError("--output is missing: give the file to write.");
  const read = [input, settings.model, settings.adapter].filter((path) => path !== undefined);
  const path = freeFile(output, overwrite, read);
  const asked = askedTask(settings.task, own);
  const folder = asked && isNamedFolder(asked, input) ? asked : undefined;
  refuseIdleParts(settings.given, asked, input);
  const open = await openForUse(settings, asked, hub);
  const rowsOf: RowsOf = async (read) => {
    const examples = folder ? await rowsOfSplit(folder, input, settings.split) : (await read()).examples;
    return examples.slice(0, settings.limit);
  };
  const lines: string[] = [];
  await predictEach(open, input, settings, rowsOf, signal, (prediction) =>
    lines.push(`${JSON.stringify(prediction)}\n`),
  );
  writeLines(path, lines);
  return { rows: lines.length, path: output };
}

/** The rows of the input, however a file of them is read. */
type RowsOf = (readFile: () => Promise<Dataset>) => Promise<readonly Example[]>;

type Predict = (
  open: OpenModel,
  input: string,
  settings: Settings<typeof predictOptions>,
  rowsOf: RowsOf,
  signal: AbortSignal | undefined,
  onPrediction: (prediction: object) => void,
) => Promise<void>;

const predictEach: Predict = (open, input, settings, ...rest) => {
  if (open.task.isGenerative) return goOn(open, input, settings, ...rest);
  if (settings.given.maxNewTokens === undefined) return readOutputs(open, input, settings, ...rest);
  throw new UsageError(`No effect here: --max-new-tokens (acts only with causal-lm, not ${open.kind}); leave it out.`);
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

/** With the likeliest tokens. An answer at the end of a conversation is what is to be predicted. */
const goOn: Predict = async (open, input, settings, rowsOf, signal, onPrediction) => {
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

/** Of a data set that is reported by texts one row for each prompt. */
async function rowsOfSplit(choice: NamedChoice, folder: string, split: Split | undefined): Promise<readonly Example[]> {
  const { examples } = await readSplit(choice, folder, split);
  if (!choice.texts) return examples;
  return meaningsOf(examples as readonly LanguageExample[]).map(({ example }) => example);
}

function withoutAnswer(example: LanguageExample): LanguageExample {
  const { input } = example;
  if (input.kind !== "messages" || input.messages.length < 2 || input.messages.at(-1)?.role !== "assistant")
    return example;
  return { ...example, input: { ...input, messages: input.messages.slice(0, -1) } };
}

/** Labels of rows to predict are passed over: they may even be unknown to the model. */
function withoutLabel(example: Example): Example {
  return { ...example, label: undefined };
}
