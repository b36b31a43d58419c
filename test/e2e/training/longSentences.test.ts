import { join } from "node:path";
import { expect, test } from "vitest";
import { entityScores, score, wordAccuracy } from "../../../src/tasks/metrics/index.js";
import { loadTokenizer } from "../../../src/text/index.js";
import { BERT, evaluated, jsonl, predicted, run, stepsOf } from "../support.js";

const VOCABULARY = ["the", "small", "boat", "harbour", "tangling-tangling", "midnight"];
const LABELS = ["O", "B-THING", "I-THING", "B-PLACE", "I-PLACE"];
const tokens = Array.from({ length: 1000 }, (_, i) => VOCABULARY[(i * i + 3 * i) % VOCABULARY.length] as string);
const labels = tokens.map((_, i) => LABELS[(i * 7 + (i % 3)) % LABELS.length] as string);
const model = join(BERT, "tokens");
const use = { model, task: "token-classification", maxLength: 20 } as const;

test("a sentence of 1 000 words in windows of 20 tokens gets a label for each word, and metrics count all words", async () => {
  const short = { tokens: ["the", "boat"], labels: ["O", "B-THING"] };
  const input = jsonl(short, { tokens, labels }, short);
  const [first, long, last] = await predicted({ ...use, input });
  expect(long).toMatchObject({ tokens });
  const found = long?.labels as string[];
  expect(found.length).toBe(1000);
  expect(found.every((label) => LABELS.includes(label))).toBe(true);
  expect(first).toEqual(last);

  const metrics = [wordAccuracy(), entityScores()];
  const pairs = [
    [short.labels, first?.labels],
    [labels, found],
    [short.labels, last?.labels],
  ] as [string[], string[]][];
  const { loss, ...scores } = await evaluated({ ...use, data: input, batchSize: 3 });
  expect(scores).toEqual(Object.assign({}, ...metrics.map((metric) => score<string[], string[]>(metric, pairs))));
  expect(loss).toBeGreaterThan(0);
});

test("each window of a long sentence is encoded as a sentence of its own", async () => {
  const [long] = await predicted({ ...use, input: jsonl({ tokens }), batchSize: 7 });
  const stretches: string[][] = [];
  for (let next = 0; next < tokens.length; next += stretches.at(-1)?.length ?? 0) {
    // The rest begins where the stretches so far end, so its own first stretch is the next one.
    const size = await firstStretch(tokens.slice(next, next + 20));
    stretches.push(tokens.slice(next, next + size));
  }
  const alone = await predicted({ ...use, input: jsonl(...stretches.map((own) => ({ tokens: own }))), batchSize: 7 });
  const logits = alone.flatMap((row) => row.logits as unknown as number[][]);
  const joined = long?.logits as unknown as number[][];
  expect(joined.length).toBe(logits.length);
  for (const [i, row] of joined.entries())
    for (const [j, value] of row.entries()) expect(value).toBeCloseTo(logits[i]?.[j] as number, 5);
});

/** How many words fit into a row, by the tokens of each: those of `tangling-tangling` are many. */
async function firstStretch(words: readonly string[]): Promise<number> {
  const tokenizer = await loadTokenizer(model);
  let size = 0;
  while (size < words.length && (await tokenizer.encodeWords(words.slice(0, size + 1))).inputIds.length <= 20) size++;
  return size;
}

test("training uses all windows of a long sentence, and counts the sentence as one row", async () => {
  const train = jsonl({ tokens, labels }, { tokens: ["the"], labels: ["O"] });
  const { events } = await run({
    model,
    task: "token-classification",
    train,
    method: "lora",
    maxLength: 20,
    maxSteps: undefined,
    epochs: 1,
    batchSize: 8,
  });
  expect(events[0]).toMatchObject({ rows: { train: 2 } });
  const steps = stepsOf(events);
  const content = steps.reduce((sum, { tokens: count, rows }) => sum + count - 2 * rows, 0);
  const whole = await (await loadTokenizer(model)).encodeWords([...tokens, "the"]);
  expect(content).toBe(whole.inputIds.length - 2);
});
