// Beam search, as transformers 5 has it, to the last detail: what it computes in float32 is rounded to float32 here.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { TaskModel } from "../models/index.js";
import { Beams } from "./beams.js";
import { Continuations } from "./continuations.js";
import type { GenerateOptions, NextTokens, Prompt } from "./generateTokens.js";
import type { GenerationSettings } from "./settings.js";

/** Goes on from prompts, each as if it were alone, and gives the best continuation of each when it is found. */
export async function* beamSearch(
  model: TaskModel,
  prompts: readonly Prompt[],
  settings: GenerationSettings,
  { isStopped, signal, cache }: GenerateOptions = {},
): AsyncGenerator<NextTokens> {
  let searches = prompts.map((given, prompt) => ({ prompt, beams: new Beams(given, settings) }));
  const continuations = new Continuations(model, prompts.length, cache);
  try {
    while (searches.length > 0) {
      const scores = continuations.next(searches.flatMap(({ beams }) => beams.sequences));
      let first = 0;
      const going: typeof searches = [];
      const sources: number[] = [];
      for (const search of searches) {
        const { prompt, beams } = search;
        const own = beams.sequences.length;
        const stopped = isStopped && ((tokens: readonly number[]) => isStopped(prompt, tokens));
        const parents = await beams.advance(scores.slice(first, first + own), stopped);
        if (parents) {
          going.push(search);
          sources.push(...parents.map((beam) => first + beam));
        } else yield { prompt, ...beams.best };
        first += own;
      }
      continuations.select(sources);
      searches = going;
      await nextTurn();
      signal?.throwIfAborted();
    }
  } finally {
    continuations.dispose();
  }
}
