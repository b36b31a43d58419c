import { max, mean, sum } from "d3-array";
import { readConfig } from "../../formats/index.js";
import { type LanguageExample, promptsWithReferences } from "../../tasks/data/index.js";
import type { Batch, EncodedRow } from "../../tasks/index.js";
import { memoryOf } from "../../torch/devices/index.js";
import type * as torch from "../../torch/index.js";
import { evaluateTexts, evaluationBatches, predictRows } from "../../use/evaluation/index.js";
import { tokensOfWork, type Work } from "../loop/dryRun.js";
import type { Prepared } from "../run/prepare.js";
import { overridesOf } from "../run/runEvaluation.js";
import type { TimeLimits } from "./phaseCosts.js";
import { type Sampled, sampleWork, secondsAt } from "./sampler.js";

type Split = "validation" | "test" | "holdout";

/** The number of evaluations of each split in a run of so many steps, including those at the end. */
export function evaluationCounts({ config, data }: Prepared, steps: number): Record<Split, number> {
  const { evalEvery, earlyStopping } = config;
  const watched = data.holdout ? "holdout" : data.validation ? "validation" : undefined;
  const during = evalEvery !== undefined && watched ? Math.floor(steps / evalEvery) : 0;
  const isKnown = during > 0 && steps % (evalEvery as number) === 0 && earlyStopping === undefined;
  const count = (split: Split) => (data[split] ? (split === watched ? during + Number(!isKnown) : 1) : 0);
  return { validation: count("validation"), test: count("test"), holdout: count("holdout") };
}

/** Measures one evaluation of the rows. */
export async function measureRows(
  prepared: Prepared,
  rows: readonly EncodedRow[],
  times: TimeLimits,
): Promise<{ readonly seconds: number; readonly sampled: Sampled }> {
  const { config, choice, labels, loaded } = prepared;
  const { task } = choice;
  const onOutputs = (batch: Batch, outputs: torch.Tensor) => void task.loss(outputs, batch).item();
  const works: Work[] = Array.from(evaluationBatches(rows, config.batchSize), (batch) => [[batch]]);
  const run = async (work: Work): Promise<number> => {
    const began = times.clock();
    const [batch] = work.flat() as [readonly EncodedRow[]];
    const options = { task, labels, batchSize: batch.length, onOutputs };
    for await (const _ of predictRows(loaded.model, batch, options));
    return (times.clock() - began) / 1000;
  };
  const sampled = await sampleWork({ works, run, memory: memoryOf(loaded.model.device), ...times });
  const seconds = sampled.overLine * sum(works, (work) => secondsAt(sampled.line, tokensOfWork(work)));
  return { seconds, sampled };
}

/** Tokens generated after each prompt in two measurements: their difference gives the time per token. */
const SHORT = 4;
const LONGER = 12;

/** Measures generation after all prompts of a split, assuming texts as long as the references. @returns seconds */
export async function measureTexts(
  prepared: Prepared,
  split: "validation" | "test",
  { clock, signal, deadline }: Omit<TimeLimits, "until">,
): Promise<number> {
  const { loaded, tokenizer, folder, config, choice, data } = prepared;
  const examples = (prepared.texts?.[split]?.examples ?? []) as readonly LanguageExample[];
  if (examples.length === 0) return 0;
  const model = { model: loaded.model, tokenizer, folder, checkpointConfig: readConfig(folder) };
  const some = firstPrompts(examples, config.batchSize);
  const secondsOf = async (most: number) => {
    const began = clock();
    const overrides = { ...overridesOf(config), maxNewTokens: Math.min(most, config.maxNewTokens ?? most) };
    await evaluateTexts(model, some, { batchSize: config.batchSize, overrides, signal });
    return (clock() - began) / 1000;
  };
  const first = await secondsOf(1);
  const tokens = longestInBatch(
    (data[split] ?? []).map((row) => choice.task.weight(row)),
    config.batchSize,
  );
  const batches = Math.ceil(promptsWithReferences(examples).length / config.batchSize);
  // The first token includes the prompt's time, so this is an upper bound.
  if (performance.now() + 1000 * first * (SHORT + LONGER) > deadline) return batches * first * tokens;
  const [short, longer] = [await secondsOf(SHORT), await secondsOf(LONGER)];
  const perToken = Math.max(0, longer - short) / (LONGER - SHORT);
  return batches * Math.max(short, short + perToken * (Math.min(tokens, config.maxNewTokens ?? tokens) - SHORT));
}

/** The examples that the first `count` prompts come from. */
function firstPrompts(examples: readonly LanguageExample[], count: number): readonly LanguageExample[] {
  let end = Math.min(count, examples.length);
  while (end < examples.length && promptsWithReferences(examples.slice(0, end)).length < count)
    end = Math.min(2 * end, examples.length);
  const wanted = new Set(
    promptsWithReferences(examples.slice(0, end))
      .slice(0, count)
      .map(({ example }) => example.at),
  );
  const isWanted = (example: LanguageExample) => wanted.has(example.at);
  return examples.slice(0, end).filter(isWanted);
}

/** The length of a batch's longest text, which determines its time: the mean over batches. */
function longestInBatch(tokens: readonly number[], batchSize: number): number {
  const batches = Array.from({ length: Math.ceil(tokens.length / batchSize) }, (_, i) =>
    tokens.slice(i * batchSize, (i + 1) * batchSize),
  );
  return mean(batches, (batch) => max(batch)) ?? 0;
}
