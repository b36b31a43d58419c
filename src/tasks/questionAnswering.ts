// Shapes: N tokens of all examples, B examples, L the longest example's tokens.
import * as z from "zod";
import { linearHead } from "../models/index.js";
import { crossEntropy, paddedRows } from "../models/nn/index.js";
import type { Window } from "../text/index.js";
import * as torch from "../torch/index.js";
import type { Batch, EncodedExample, ExampleOutputs } from "./batch.js";
import { targetOf } from "./batch.js";
import { type Answer, loadQuestions, type QuestionExample, rowError } from "./data/index.js";
import { codePointSlice } from "./data/questions.js";
import { mapPrediction, squad } from "./metrics/index.js";
import type { Task } from "./task.js";

/**
 * A question with one window of its context. The target is the positions of the answer's first and last token, 0 if the answer is
 * not in this window.
 */
export interface EncodedQuestionExample extends EncodedExample<readonly [first: number, last: number], string> {
  /** The position of the context's first token, and the characters of each token. */
  readonly start: number;
  readonly offsets: Window["offsets"];
}

/** The most likely answer to a question. */
export interface SpanPrediction {
  /** Empty if no answer is more likely than any span. */
  readonly answer: string;
  /** The answer's first character in the context and the one after its last, in code points. */
  readonly start: number;
  readonly end: number;
  /** The answer's probability among all candidate spans and no answer. */
  readonly score: number;
}

/** The best span of one window. Scores are sums of a start and an end logit. */
interface BestSpan {
  readonly answer: Omit<SpanPrediction, "score">;
  readonly score: number;
  /** log Σ exp over the scores of all spans. */
  readonly total: number;
  /** The score of no answer: the example's first token as start and end. */
  readonly none: number;
}

/** The number of tokens that consecutive windows share, as in the reference scripts for SQuAD. */
const OVERLAP = 128;

/** The maximum number of tokens in an answer. */
const LONGEST = 30;

/**
 * Extractive question answering: the answer is a span of the context, or there is none (SQuAD 1.1 and 2.0). A long context is split
 * into windows; in training each is an example of its own, as in transformers' `run_qa.py`. The loss is over an example's own tokens; transformers'
 * loss includes padding as possible positions of an answer.
 */
export const questionAnswering: Task<QuestionExample, EncodedQuestionExample, SpanPrediction, readonly string[]> = {
  rows: 'a question, a context, answers: `{"question", "context", "answers": {"text": [...], "answer_start": [...]}}`, or SQuAD\'s JSON',
  head: { className: "ForQuestionAnswering", usual: linearHead("qa_outputs", () => 0) },
  peftTaskType: "QUESTION_ANS",
  outputs: ["start", "end"],
  read: loadQuestions,
  /** The texts of all reference answers. */
  reference: ({ label = [] }) => label.map(({ text }) => text),
  async encode(examples, tokenizer, { maxLength = tokenizer.modelMaxLength ?? Number.POSITIVE_INFINITY }) {
    const pairs = examples.map(({ input: [question, context] }) => [question.trimStart(), context] as const);
    const windows = await tokenizer.encodeWindows(pairs, { maxLength, overlap: OVERLAP });
    return examples.flatMap((example, i) => encodedParts(example, windows[i] as Window[], maxLength));
  },
  weight: () => 1,
  loss,
  splitsExamples: true,
  predict(outputs, examples) {
    const windows = examples.map((example, i) => bestSpan(example, outputs[i] as ExampleOutputs));
    const best = windows.reduce((a, b) => (b.score > a.score ? b : a));
    const none = Math.min(...windows.map((window) => window.none));
    const total = logSumExp([...windows.map((window) => window.total), none]);
    if (none > best.score) return { answer: "", start: 0, end: 0, score: Math.exp(none - total) };
    return { ...best.answer, score: Math.exp(best.score - total) };
  },
  prediction: z.object({ answer: z.string() }),
  scorer: () => ({ main: "f1", metric: mapPrediction(squad(), ({ answer }) => answer) }),
};

// Encoding

function encodedParts(
  example: QuestionExample,
  windows: readonly Window[],
  maxLength: number,
): EncodedQuestionExample[] {
  const { at, label, input } = example;
  if (windows.length === 0)
    throw rowError(at.file, at.line, `the question leaves no room for the context in ${maxLength} tokens.`);
  return windows.map((window) => ({
    ...window,
    target: label && spanIn(window, label[0]),
    source: input[1],
    at,
  }));
}

/** The last token that begins no later than the answer, and the first that ends no earlier; 0 if the answer is not all in the window. */
function spanIn(
  { start, offsets }: Pick<EncodedQuestionExample, "start" | "offsets">,
  answer: Answer | undefined,
): readonly [number, number] {
  const [first, last] = [offsets[0], offsets.at(-1)];
  if (!answer || !first || !last) return [0, 0];
  const end = answer.start + Array.from(answer.text).length;
  if (first[0] > answer.start || last[1] < end) return [0, 0];
  return [
    start + offsets.findLastIndex(([from]) => from <= answer.start),
    start + offsets.findIndex(([, to]) => to >= end),
  ];
}

// Loss and prediction

/** The mean of the cross-entropies of the start and the end over an example's tokens. outputs: [N, 2] */
function loss(outputs: torch.Tensor, { examples, layout }: Batch<EncodedQuestionExample>): torch.Tensor {
  const { padded, present } = paddedRows(outputs, layout);
  const isPadding = present && torch.unsqueeze(torch.logicalNot(present), 2);
  const masked = isPadding ? torch.maskedFill(padded, isPadding, Number.NEGATIVE_INFINITY) : padded;
  const logits = torch.transpose(masked, 1, 2); // B,2,L
  const targets = torch.tensor(
    examples.flatMap((example) => [...targetOf(example)]),
    [2 * examples.length],
    "int64",
    outputs.device,
  );
  return torch.mulScalar(crossEntropy(torch.reshape(logits, [2 * examples.length, -1]), targets), 0.5);
}

/** @param outputs two logits for each token: that the answer starts there, and that it ends there */
function bestSpan({ start, offsets, source = "" }: EncodedQuestionExample, { values }: ExampleOutputs): BestSpan {
  const [begins, ends] = [0, 1].map((side) => values.filter((_, i) => i % 2 === side)) as [Float64Array, Float64Array];
  const scores: number[] = [];
  let best = { first: 0, last: 0, score: Number.NEGATIVE_INFINITY };
  for (let first = 0; first < offsets.length; first++) {
    for (let last = first; last < Math.min(offsets.length, first + LONGEST); last++) {
      const score = (begins[start + first] as number) + (ends[start + last] as number);
      scores.push(score);
      if (score > best.score) best = { first, last, score };
    }
  }
  const [from, to] = [offsets[best.first]?.[0] ?? 0, offsets[best.last]?.[1] ?? 0];
  return {
    answer: { answer: codePointSlice(source, from, to), start: from, end: to },
    score: best.score,
    total: logSumExp(scores),
    none: (begins[0] as number) + (ends[0] as number),
  };
}

function logSumExp(values: readonly number[]): number {
  const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (largest === Number.NEGATIVE_INFINITY) return largest;
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}
