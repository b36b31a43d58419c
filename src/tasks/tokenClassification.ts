import { argmax } from "../common/argmax.js";
import { type LabelMap, loadWords, type WordsExample } from "../data/index.js";
import { entityScores, type PredictedWordLabels, together, type WordLabels, wordAccuracy } from "../metrics/index.js";
import { linearHead } from "../models/index.js";
import { crossEntropy, IGNORED_LABEL } from "../nn/index.js";
import type { EncodedWords } from "../text/index.js";
import * as torch from "../torch/index.js";
import { rowsOf } from "./outputs.js";
import type { EncodedRow, Task } from "./task.js";
import { targetOf } from "./texts.js";

/** The classes of a row's words. */
export interface WordTargets {
  /** The class of each token: a word's at its first sub-word, else -100. */
  readonly tokens: readonly number[];
  /** The class of each word, those that were cut off too. */
  readonly words: readonly number[];
}

export interface WordsRow extends EncodedRow<WordTargets, readonly string[]> {
  /** Where each word's first sub-word stands in `inputIds`, -1 if it was cut off or has no token. */
  readonly wordStarts: readonly number[];
}

/** The likeliest label of each word. */
export interface WordsPrediction {
  readonly tokens: readonly string[];
  /** Of each word; null for one that was cut off or has no token. */
  readonly labels: readonly (string | null)[];
  readonly logits: readonly (readonly number[] | null)[];
}

/** A label for each word, read at its first sub-word. */
export const tokenClassification: Task<WordsExample, WordsRow, WordsPrediction> = {
  rows: '`{"tokens": [...], "labels": [...]}`, CoNLL columns or CoNLL-U (`--label-column upos`)',
  head: { className: "ForTokenClassification", usual: linearHead("classifier", (config) => config.classifierDropout) },
  peftTaskType: "TOKEN_CLS",
  read: loadWords,
  async encode(examples, tokenizer, { labels, maxLength }) {
    const encoded = await tokenizer.encodeWordsBatch(
      examples.map(({ input }) => input),
      { maxLength },
    );
    return examples.map((example, i) => encodedRow(example, encoded[i] as EncodedWords, labels));
  },
  weight: (row) => targetOf(row).tokens.filter((label) => label !== IGNORED_LABEL).length,
  loss(outputs, { rows }) {
    const classes = rows.flatMap((row) => targetOf(row).tokens);
    return crossEntropy(outputs, torch.tensor(classes, [classes.length], "int64"));
  },
  predict(outputs, { rows }, labels) {
    const logits = rowsOf(outputs);
    let next = 0;
    return rows.map((row) => {
      const first = next;
      next += row.inputIds.length;
      const words = row.wordStarts.map((start) => (start < 0 ? null : (logits[first + start] as Float64Array)));
      return {
        tokens: row.source ?? [],
        labels: words.map((word) => word && (labels[argmax(word)] as string)),
        logits: words.map((word) => word && Array.from(word)),
      };
    });
  },
  scorer({ labels }) {
    // Labels that mark no entities, such as parts of speech, are scored word by word alone.
    const areEntities = labels.every(isEntityTag);
    const metric = together<WordLabels, PredictedWordLabels>(wordAccuracy(), ...(areEntities ? [entityScores()] : []));
    return {
      main: areEntities ? "f1" : "accuracy",
      goal: "maximize",
      add: (row, prediction) =>
        metric.add(
          targetOf(row).words.map((label) => labels[label] as string),
          prediction.labels,
        ),
      result: () => metric.result(),
    };
  },
};

function encodedRow({ input, label, at }: WordsExample, encoded: EncodedWords, labels: LabelMap | undefined): WordsRow {
  const row = { ...encoded, source: input, at };
  if (label === undefined || labels === undefined) return { ...row, target: undefined };
  const words = label.map((name) => labels.indexOf(name, at));
  const tokens = new Array<number>(row.inputIds.length).fill(IGNORED_LABEL);
  for (const [word, start] of row.wordStarts.entries()) if (start !== -1) tokens[start] = words[word] as number;
  return { ...row, target: { tokens, words } };
}

const isEntityTag = (label: string): boolean => label === "O" || /^[BIES]-./.test(label);
