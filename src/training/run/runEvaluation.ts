import { group, sum } from "d3-array";
import type { CallContext } from "../../base/index.js";
import {
  type Findings,
  type MetricRows,
  type Metrics,
  metricName,
  type PredictedRow,
  writePredictions,
} from "../../base/records/index.js";
import { readConfig } from "../../formats/index.js";
import type { RunConfig } from "../../tasks/config/index.js";
import type { Dataset, LanguageExample, Location } from "../../tasks/data/index.js";
import type { ConstantPredictor, EncodedExample } from "../../tasks/index.js";
import type { PredictedTokens } from "../../tasks/metrics/index.js";
import { score } from "../../tasks/metrics/parts/index.js";
import { asConversation, type Tokenizer } from "../../text/index.js";
import type { Ending } from "../../torch/distributed/index.js";
import {
  arrangedRows,
  evaluateTexts,
  evaluateWithOutputs,
  notesOf,
  type Sharing,
  type WeightedLoss,
  withStartOutputs,
} from "../../use/evaluation/index.js";
import { withValues } from "../steps/startOutputs.js";
import { constantRows } from "./outcome.js";
import type { Prepared } from "./prepare.js";

/** The splits that a run evaluates. */
type EvaluatedSplit = "validation" | "test" | "holdout";

/** A predicted row whose text is not decoded yet. */
type Undecoded = Omit<PredictedRow, "text"> & { readonly inputIds: readonly number[] };

/** Evaluates a run's current model, and keeps its predictions. */
export class RunEvaluation {
  readonly #rows = new Map<EvaluatedSplit, readonly (Undecoded | PredictedRow)[]>();

  /** The rows as they are evaluated. */
  readonly #evaluated = new Map<EvaluatedSplit, readonly EncodedExample[]>();

  readonly #noted = new Set<string>();

  constructor(
    private readonly prepared: Prepared,
    private readonly context: CallContext = {},
  ) {}

  /** The task's metrics on a split. */
  async rows(split: EvaluatedSplit, ending?: Ending): Promise<Metrics> {
    const { config, choice, labels, positive, loaded, ranks } = this.prepared;
    const { task, metrics } = choice;
    const shared = { ranks, ending };
    const signal = ending?.given;
    const rows = await this.#evaluatedRows(split, shared);
    // A loss that compares the rows of a batch depends on their number: as in training, that of all ranks.
    const batchSize = config.batchSize * (task.contrastive?.comparesExamples(rows) ? ranks.size : 1);
    const options = { task, labels, batchSize, metrics, positive, signal, shared };
    const predicted: Undecoded[] = [];
    const found = await evaluateWithOutputs(loaded.model, rows, options, (row, prediction, loss) => {
      const { at, inputIds, reference } = row;
      // A language model's prediction is its loss.
      const own = "loss" in prediction ? undefined : loss?.();
      const score = task.mistake?.(prediction, reference, labels);
      const shown = {
        ...withoutNumbers(task.written?.(prediction) ?? prediction),
        ...(score !== undefined && { score }),
      };
      predicted.push({ ...at, inputIds, reference, prediction: shown, ...shortLoss(own) });
    });
    this.#rows.set(split, predicted);
    for (const note of notesOf(found)) this.#noteOnce(`On the ${split} rows: ${note}`);
    return found.metrics;
  }

  /** The rows of a split, for a task that compares with the model before training with its outputs. */
  async #evaluatedRows(split: EvaluatedSplit, shared: Sharing): Promise<readonly EncodedExample[]> {
    const { data, choice, config, ranks, loaded, labels, trained, start } = this.prepared;
    const { task } = choice;
    const known = this.#evaluated.get(split);
    if (known) return known;
    const { batchSize, gradientAccumulation } = config;
    const rows = arrangedRows(task, data[split] ?? [], batchSize * gradientAccumulation * ranks.size);
    const options = { task, labels, batchSize, shared };
    const found = task.comparesWithStart
      ? await withValues(trained, start, () => withStartOutputs(loaded.model, rows, options))
      : rows;
    this.#evaluated.set(split, found);
    return found;
  }

  /** The newest predictions of a split, with the references; none before its first evaluation. */
  predicted(split: EvaluatedSplit): readonly Pick<PredictedRow, "reference" | "prediction">[] {
    return this.#rows.get(split) ?? [];
  }

  /** Evaluations repeat, notes do not. */
  #noteOnce(note: string): void {
    if (!this.#noted.has(note)) this.context.onNote?.(note);
    this.#noted.add(note);
  }

  /** The metrics of generated texts; none if the data set is not evaluated by texts. */
  async texts(split: "validation" | "test", ending?: Ending): Promise<Metrics> {
    const { loaded, tokenizer, folder, config, texts, ranks } = this.prepared;
    const dataset: Dataset | undefined = texts?.[split];
    if (!dataset) return {};
    const model = { model: loaded.model, tokenizer, folder, checkpointConfig: readConfig(folder) };
    const predicted: PredictedRow[] = [];
    const losses = lossesByRow(this.#rows.get(split) ?? []);
    const found = await evaluateTexts(
      model,
      dataset.examples as readonly LanguageExample[],
      { batchSize: config.batchSize, overrides: overridesOf(config), signal: ending?.given, shared: { ranks, ending } },
      ({ at, input }, reference, prediction, rows) =>
        predicted.push({ ...at, text: shortText(promptText(input)), reference, prediction, ...losses(rows) }),
    );
    this.#rows.set(split, predicted);
    return found.metrics;
  }

  /**
   * The metrics of the final state, named after their rows.
   * @param watched those of the rows that the run watches, if they were just evaluated
   */
  async final(ending: Ending, watched: Metrics | undefined): Promise<Metrics> {
    const { validation, test, holdout } = this.prepared.data;
    const withTexts = async (split: "validation" | "test", known?: Metrics): Promise<Metrics> => {
      const rows = known ?? (await this.rows(split, ending));
      return { ...(await this.texts(split, ending)), ...rows };
    };
    return {
      ...(validation && (await withTexts("validation", holdout ? undefined : watched))),
      ...(test && prefixed("test", await withTexts("test"))),
      ...(holdout && prefixed("holdout", watched ?? (await this.rows("holdout", ending)))),
    };
  }

  /** The metrics of the model before the first step, on the rows that results are reported on. Texts, which take long, are not generated. */
  async start(ending: Ending): Promise<Metrics> {
    const split = this.prepared.data.test ? "test" : "validation";
    return prefixed(split, await this.rows(split, ending));
  }

  /** The metrics that the training rows' constant prediction has on the rows of the latest predictions; none for tasks without one. */
  majority(): Metrics {
    const { choice, labels, positive } = this.prepared;
    const constant = constantPredictor(this.prepared);
    if (!constant) return {};
    const { metric } = choice.task.scorer({ labels, metrics: choice.metrics, positive });
    const splits = (["validation", "test"] as const).map((split): Metrics => {
      const pairs = this.predicted(split).map(({ reference }) => [reference, constant.of(reference)] as const);
      return pairs.length === 0 ? {} : prefixed(split, score(metric, pairs));
    });
    return Object.assign({}, ...splits);
  }

  /** What the latest predictions say about the metrics. */
  findings(): Findings {
    return constantRows(this.#rows);
  }

  /** Writes the latest predictions for the validation and test rows. */
  async write(folder: string): Promise<void> {
    for (const split of ["validation", "test"] as const) {
      const found = this.#rows.get(split);
      if (!found) continue;
      const rows = await this.#decoded(found);
      writePredictions(folder, split, rows);
    }
  }

  async #decoded(kept: readonly (Undecoded | PredictedRow)[]): Promise<PredictedRow[]> {
    const { tokenizer } = this.prepared;
    const ends = { front: await tokenizer.prefixIds(), back: await tokenizer.suffixIds() };
    const rows: PredictedRow[] = [];
    for (const row of kept) {
      if ("text" in row) rows.push(row);
      else {
        const { inputIds, file, line, ...rest } = row;
        rows.push({ file, line, text: await rowText(tokenizer, inputIds, ends), ...rest });
      }
    }
    return rows;
  }
}

/** What the training rows' labels suggest to predict for every row; undefined for a task without such a prediction. */
export const constantPredictor = ({ choice, labels, data, texts }: Prepared): ConstantPredictor | undefined =>
  texts ? undefined : choice.task.constantPrediction?.([...data.train, ...(data.holdout ?? [])], labels);

/** The seven digits that float32 has. */
const DIGITS = 7;

/** A row's loss as it is written; nothing for none. A weight of 1 is left out. */
const shortLoss = (found: WeightedLoss | undefined): Pick<PredictedRow, "loss" | "weight"> =>
  found === undefined
    ? {}
    : { loss: Number(found.loss.toPrecision(DIGITS)), ...(found.weight !== 1 && { weight: found.weight }) };

/** The sum of a language model's losses for the tokens of some rows. */
function lossesByRow(predicted: readonly (Undecoded | PredictedRow)[]) {
  const keyOf = ({ file, line }: Location) => JSON.stringify([file, line]);
  const byRow = group(predicted, keyOf);
  return (rows: readonly Location[]): Pick<PredictedRow, "loss" | "weight"> => {
    const found = rows
      .flatMap((row) => byRow.get(keyOf(row)) ?? [])
      .map((row) => row.prediction as Partial<PredictedTokens>);
    if (found.some(({ loss }) => loss === undefined) || found.length === 0) return {};
    return shortLoss({ loss: sum(found, (one) => one.loss), weight: sum(found, ({ tokens }) => tokens) });
  };
}

const prefixed = (split: MetricRows, metrics: Metrics): Metrics =>
  Object.fromEntries(Object.entries(metrics).map(([name, value]) => [metricName(name, split), value]));

export const overridesOf = ({ beams, lengthPenalty, noRepeatNgram, maxNewTokens }: RunConfig) => ({
  beams,
  lengthPenalty,
  noRepeatNgram,
  maxNewTokens,
});

/** The logits and scores of all labels, and embeddings, which are many numbers and can be recomputed. */
const NUMBERS: ReadonlySet<string> = new Set(["logits", "scores", "embedding", "others"]);

const withoutNumbers = (prediction: object): PredictedRow["prediction"] =>
  Object.fromEntries(Object.entries(prediction).filter(([key]) => !NUMBERS.has(key)));

/** The number of characters of a row in a predictions file. */
const LONGEST = 300;

/** The beginning of a text on one line, cut off with "…" after a number of code points. */
export function shortText(text: string): string {
  const characters = Array.from(text.replace(/\s+/gu, " ").trim());
  return characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join("")}…` : characters.join("");
}

/** The special tokens at both ends of a row. */
interface RowEnds {
  readonly front: readonly number[];
  readonly back: readonly number[];
}

/** The beginning of a row, decoded. Special tokens between its texts are kept, those at its ends are not. */
export async function rowText(tokenizer: Tokenizer, ids: readonly number[], { front, back }: RowEnds): Promise<string> {
  const begins = front.every((id, i) => ids[i] === id) ? front.length : 0;
  const ends = back.every((id, i) => ids[ids.length - back.length + i] === id) ? ids.length - back.length : ids.length;
  // A token is rarely shorter than a character, so these tokens suffice.
  const needed = ids.slice(begins, Math.max(begins, Math.min(ends, begins + 2 * LONGEST)));
  return shortText(await tokenizer.decode(needed, { skipSpecialTokens: false }));
}

/** The prompt as it is in the file; of a conversation, the last message. */
export function promptText(input: LanguageExample["input"]): string {
  if (input.kind === "text") return input.text;
  const asked = input.kind === "prompt" ? input.prompt : input;
  if (typeof asked === "string") return asked;
  const content = asConversation(asked).messages.at(-1)?.content ?? "";
  return typeof content === "string" ? content : content.map(({ text }) => text).join("");
}
