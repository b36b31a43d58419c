import * as z from "zod";
import { argmax } from "../base/index.js";
import { linearHead } from "../models/index.js";
import { crossEntropy, IGNORED_LABEL } from "../models/nn/index.js";
import type { EncodedWords } from "../text/index.js";
import * as torch from "../torch/index.js";
import { lossOfShares } from "./constant.js";
import { type LabelMap, loadWords, type WordsExample } from "./data/index.js";
import {
  combineMetrics,
  entityRulesOf,
  entityScores,
  mapPrediction,
  mixesEnds,
  type PredictedWordLabels,
  type WordLabels,
  wordAccuracy,
} from "./metrics/index.js";
import type { EncodedRow, RowOutputs, Task } from "./task.js";
import { targetOf } from "./texts.js";

/**
 * A sentence, or a part of one that is longer than a row. The target of a word's first sub-word is its label's id, that of all other
 * tokens -100.
 */
export interface WordsRow extends EncodedRow<readonly number[], readonly string[]> {
  /** The position of each word's first sub-word, -1 for a word without tokens. */
  readonly wordStarts: readonly number[];
}

const MIXED_ENDS =
  "The labels have ends of both BIOES (E-, S-) and BILOU (L-, U-): entities are not scored, because the scheme is ambiguous; use one scheme.";

/** The most likely label of each word. */
export interface WordsPrediction {
  readonly tokens: readonly string[];
  /** null for a word without tokens. */
  readonly labels: readonly (string | null)[];
  readonly logits: readonly (readonly number[] | null)[];
}

/**
 * A label for each word, predicted at its first sub-word. A sentence that is longer than a row is continued in further rows: all its
 * words are trained on, predicted and scored.
 */
export const tokenClassification: Task<WordsExample, WordsRow, WordsPrediction, WordLabels> = {
  rows: '`{"tokens": [...], "labels": [...]}`, CoNLL columns or CoNLL-U (`--label-column upos`)',
  head: { className: "ForTokenClassification", usual: linearHead("classifier", (config) => config.classifierDropout) },
  peftTaskType: "TOKEN_CLS",
  read: loadWords,
  reference,
  async encode(examples, tokenizer, { labels, maxLength }) {
    const encoded = await tokenizer.encodeWordRows(
      examples.map(({ input }) => input),
      { maxLength },
    );
    return examples.flatMap((example, i) => rowsOfExample(example, encoded[i] as EncodedWords[], labels));
  },
  weight: (row) => labeledClasses([row]).length,
  loss(outputs, { rows }) {
    const classes = rows.flatMap(targetOf);
    return crossEntropy(outputs, torch.tensor(classes, [classes.length], "int64", outputs.device));
  },
  constantLoss: (known, rows) => lossOfShares(labeledClasses(known), labeledClasses(rows)),
  splitsExamples: true,
  predict(outputs, rows, labels) {
    const words = rows.flatMap(({ wordStarts }, row) =>
      wordStarts.map((start) => (start < 0 ? null : (outputs[row] as RowOutputs).vector(start))),
    );
    return {
      tokens: rows.flatMap(({ source = [] }) => source),
      labels: words.map((word) => word && (labels[argmax(word)] as string)),
      logits: words.map((word) => word && Array.from(word)),
    };
  },
  prediction: z.object({ labels: z.array(z.string().nullable()) }),
  scorer({ labels }) {
    // Labels that are not entity tags, such as parts of speech, are scored only per word.
    const rules = entityRulesOf(labels);
    const words = mixesEnds(labels) ? { ...wordAccuracy(), notes: () => [MIXED_ENDS] } : wordAccuracy();
    const metric = combineMetrics<WordLabels, PredictedWordLabels>(words, ...(rules ? [entityScores(rules)] : []));
    return {
      main: rules ? "f1" : "accuracy",
      metric: mapPrediction(metric, (prediction) => prediction.labels),
    };
  },
};

/** The classes of all labeled tokens. */
const labeledClasses = (rows: readonly WordsRow[]): number[] =>
  rows.flatMap(targetOf).filter((label) => label !== IGNORED_LABEL);

function rowsOfExample(
  { input, label, at }: WordsExample,
  encoded: readonly EncodedWords[],
  labels: LabelMap | undefined,
): WordsRow[] {
  const words = labels && label?.map((name) => labels.indexOf(name, at));
  let next = 0;
  return encoded.map((row) => {
    const first = next;
    next += row.wordStarts.length;
    const target = words && tokenTargets(row, words.slice(first, next));
    return { ...row, source: input.slice(first, next), target, at };
  });
}

/** @param words the classes of the row's own words */
function tokenTargets({ inputIds, wordStarts }: EncodedWords, words: readonly number[]): number[] {
  const tokens = new Array<number>(inputIds.length).fill(IGNORED_LABEL);
  for (const [word, start] of wordStarts.entries()) if (start !== -1) tokens[start] = words[word] as number;
  return tokens;
}

/** The label of each word of the sentence. */
function reference({ label = [], at }: WordsExample, labels: LabelMap | undefined): WordLabels {
  return label.map((name) => labels?.names[labels.indexOf(name, at)] ?? name);
}
