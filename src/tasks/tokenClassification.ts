import { max } from "d3-array";
import * as z from "zod";
import { argmax } from "../base/index.js";
import { linearHead } from "../models/index.js";
import { crossEntropy, IGNORED_LABEL } from "../models/nn/index.js";
import type { EncodedWords } from "../text/index.js";
import * as torch from "../torch/index.js";
import type { EncodedExample, ExampleOutputs } from "./batch.js";
import { targetOf } from "./batch.js";
import { lossOfShares, mostFrequent } from "./constant.js";
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
import type { ConstantPredictor, Task } from "./task.js";
import { softmax } from "./texts.js";

/**
 * A sentence, or a part of one that is longer than the model takes. The target of a word's first sub-word is its label's id, that of all other
 * tokens -100.
 */
export interface EncodedWordsExample extends EncodedExample<readonly number[], readonly string[]> {
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

const constantOf = (label: ConstantPredictor["answer"]) => ({
  answer: label,
  of: (words: WordLabels) => ({ labels: words.map(() => label) }),
});

/**
 * A label for each word, predicted at its first sub-word. A longer sentence than the model takes is continued in further parts: all its
 * words are trained on, predicted and scored.
 */
export const tokenClassification: Task<WordsExample, EncodedWordsExample, WordsPrediction, WordLabels> = {
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
    return examples.flatMap((example, i) => encodedParts(example, encoded[i] as EncodedWords[], labels));
  },
  weight: (example) => labeledClasses([example]).length,
  loss(outputs, { examples }) {
    const classes = examples.flatMap(targetOf);
    return crossEntropy(outputs, torch.tensor(classes, [classes.length], "int64", outputs.device));
  },
  constantLoss: (known, examples) => lossOfShares(labeledClasses(known), labeledClasses(examples)),
  constantPrediction: (known, names) => constantOf(names[mostFrequent(labeledClasses(known)) ?? 0]!),
  constantOf,
  mistake({ labels, logits }, reference) {
    const sureness = (word: number) => {
      const scores = logits?.[word];
      return scores ? max(softmax(Float64Array.from(scores)))! : logits ? 0 : 1;
    };
    return max(reference.flatMap((name, word) => (labels[word] === name ? [] : sureness(word))));
  },
  splitsExamples: true,
  predict(outputs, examples, labels) {
    const words = examples.flatMap(({ wordStarts }, part) =>
      wordStarts.map((start) => (start < 0 ? null : (outputs[part] as ExampleOutputs).vector(start))),
    );
    return {
      tokens: examples.flatMap(({ source = [] }) => source),
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
const labeledClasses = (examples: readonly EncodedWordsExample[]): number[] =>
  examples.flatMap(targetOf).filter((label) => label !== IGNORED_LABEL);

function encodedParts(
  { input, label, at }: WordsExample,
  encoded: readonly EncodedWords[],
  labels: LabelMap | undefined,
): EncodedWordsExample[] {
  const words = labels && label?.map((name) => labels.indexOf(name, at));
  let next = 0;
  return encoded.map((part) => {
    const first = next;
    next += part.wordStarts.length;
    const target = words && tokenTargets(part, words.slice(first, next));
    return { ...part, source: input.slice(first, next), target, at };
  });
}

/** @param words the classes of the part's own words */
function tokenTargets({ inputIds, wordStarts }: EncodedWords, words: readonly number[]): number[] {
  const tokens = new Array<number>(inputIds.length).fill(IGNORED_LABEL);
  for (const [word, start] of wordStarts.entries()) if (start !== -1) tokens[start] = words[word] as number;
  return tokens;
}

/** The label of each word of the sentence. */
function reference({ label = [], at }: WordsExample, labels: LabelMap | undefined): WordLabels {
  return label.map((name) => labels?.names[labels.indexOf(name, at)] ?? name);
}
