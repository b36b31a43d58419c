import type { RunConfig } from "../config/index.js";
import type { Dataset, LanguageExample } from "../data/index.js";
import type { Metrics } from "../files/metrics.js";
import { type JudgedRow, writePredictions } from "../files/predictions.js";
import { readConfig } from "../io/checkpoint.js";
import { evaluateRows, notesOf } from "../train/evaluation.js";
import { evaluateTexts } from "../train/textEvaluation.js";
import type { Prepared } from "./prepare.js";
import { promptText, rowText, shortText } from "./rowText.js";

/** Rows that a run judges its model by. */
export type JudgedSplit = "validation" | "test" | "holdout";

/** A judged row whose text is not spelled out yet. */
type Unspelled = Omit<JudgedRow, "text"> & { readonly inputIds: readonly number[] };

/** Judges a run's model as it is when it is asked, and remembers what it said of each row. */
export class RunEvaluation {
  readonly #judged = new Map<JudgedSplit, readonly (Unspelled | JudgedRow)[]>();

  readonly #noted = new Set<string>();

  constructor(
    private readonly prepared: Prepared,
    private readonly onNote?: (line: string) => void,
  ) {}

  /** The task's metrics. */
  async rows(split: JudgedSplit, signal?: AbortSignal): Promise<Metrics> {
    const { config, choice, labels, positive, loaded, data } = this.prepared;
    const { task, metrics } = choice;
    const options = { task, labels, batchSize: config.batchSize, metrics, positive, signal };
    const judged: Unspelled[] = [];
    const found = await evaluateRows(
      loaded.model,
      data[split] ?? [],
      options,
      ({ at, inputIds, reference }, prediction) =>
        judged.push({ ...at, inputIds, reference, prediction: withoutNumbers(prediction) }),
    );
    this.#judged.set(split, judged);
    for (const note of notesOf(found)) this.#tellOnce(`Of the ${split} rows: ${note}`);
    return found.metrics;
  }

  /** A run is evaluated often. */
  #tellOnce(note: string): void {
    if (!this.#noted.has(note)) this.onNote?.(note);
    this.#noted.add(note);
  }

  /** The metrics of texts that the model writes; none where the data set is not reported by these. */
  async texts(split: "validation" | "test", signal?: AbortSignal): Promise<Metrics> {
    const { loaded, tokenizer, folder, config, texts } = this.prepared;
    const dataset: Dataset | undefined = texts?.[split];
    if (!dataset) return {};
    const model = { model: loaded.model, tokenizer, folder, checkpointConfig: readConfig(folder) };
    const judged: JudgedRow[] = [];
    const found = await evaluateTexts(
      model,
      dataset.examples as readonly LanguageExample[],
      { batchSize: config.batchSize, overrides: overridesOf(config), signal },
      ({ at, input }, reference, prediction) =>
        judged.push({ ...at, text: shortText(promptText(input)), reference, prediction }),
    );
    this.#judged.set(split, judged);
    return found.metrics;
  }

  /** Writes what was said of each validation and test row when it was judged last. */
  async write(folder: string): Promise<void> {
    for (const split of ["validation", "test"] as const) {
      const judged = this.#judged.get(split);
      if (!judged) continue;
      const rows = await this.#spelled(judged);
      writePredictions(folder, split, rows);
    }
  }

  async #spelled(judged: readonly (Unspelled | JudgedRow)[]): Promise<JudgedRow[]> {
    const { tokenizer } = this.prepared;
    const ends = { front: await tokenizer.frontIds(), back: await tokenizer.backIds() };
    const rows: JudgedRow[] = [];
    for (const row of judged) {
      if ("text" in row) rows.push(row);
      else {
        const { inputIds, reference, prediction, ...at } = row;
        rows.push({ ...at, text: await rowText(tokenizer, inputIds, ends), reference, prediction });
      }
    }
    return rows;
  }
}

export const overridesOf = ({ beams, lengthPenalty, noRepeatNgram, maxNewTokens }: RunConfig) => ({
  beams,
  lengthPenalty,
  noRepeatNgram,
  maxNewTokens,
});

/** Logits and scores of all labels are many, and can be had again. */
function withoutNumbers(prediction: object): JudgedRow["prediction"] {
  const { logits: _logits, scores: _scores, ...rest } = prediction as { logits?: unknown; scores?: unknown };
  return rest;
}
