/** The choices of a request: each is a job of the engine, whose tokens become text here. */
import { uniforms } from "../../base/index.js";
import {
  type Finish,
  type GenerationSettings,
  type Grammar,
  StopStrings,
  TextWriter,
} from "../../models/generation/index.js";
import type { Tokenizer } from "../../text/index.js";
import type { Engine } from "./engine/engine.js";
import type { Job, JobStep, WantedLogprobs } from "./engine/job.js";
import type { EncodedPrompt } from "./prompts.js";

export interface ChoicesCall {
  readonly adapter: string | undefined;
  readonly prompts: readonly EncodedPrompt[];
  /** The number of choices of each prompt. */
  readonly n: number;
  readonly settings: GenerationSettings;
  readonly seed: number;
  readonly logprobs: WantedLogprobs | undefined;
  /** Of the texts; released in the end. */
  readonly grammar: Grammar | undefined;
  /** Special tokens that the text has; none if not given. */
  readonly shown?: ReadonlySet<number> | undefined;
  /** Of each prompt, the tokens that its texts continue; if not given, texts are decoded alone. */
  readonly before?: readonly (readonly number[])[] | undefined;
  /** Called when nothing is computed any more, perhaps long before the last piece is read; perhaps several times. */
  onComputed(): void;
}

export interface ChoicePiece extends JobStep {
  /** The choice's index: those of the first prompt come first. */
  readonly index: number;
  /** The text that the new tokens complete. */
  readonly text: string;
  readonly finish: Finish | undefined;
}

/**
 * Computes the choices of a request. Leaving the loop early ends them, and so does the signal, which throws its reason.
 * The choice of an index samples as `generate` does for the row of that index.
 */
export async function* choicePieces(
  engine: Engine,
  tokenizer: Tokenizer,
  call: ChoicesCall,
  signal: AbortSignal,
): AsyncGenerator<ChoicePiece> {
  const stops = new StopStrings(tokenizer, call.settings.stop);
  const steps = new Channel<JobStep & { readonly index: number }>();
  const leaving = new AbortController();
  const onAbort = (): void => steps.end(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    signal.throwIfAborted();
    const jobs = jobsOf(call, stops, AbortSignal.any([signal, leaving.signal]), steps);
    engine.submit(jobs);
    yield* written(steps, writersOf(call, tokenizer, stops));
  } finally {
    signal.removeEventListener("abort", onAbort);
    leaving.abort();
    call.grammar?.release();
    call.onComputed();
  }
}

function jobsOf(
  { adapter, prompts, n, settings, seed, logprobs, grammar, before, onComputed }: ChoicesCall,
  stops: StopStrings,
  signal: AbortSignal,
  steps: Channel<JobStep & { readonly index: number }>,
): Job[] {
  let left = prompts.length * n;
  const onError = (error: unknown): void => {
    steps.end(error);
    onComputed();
  };
  return prompts.flatMap((prompt, p) => {
    const isStopped = stops.isEmpty ? undefined : (tokens: readonly number[]) => stops.isCompleted(tokens, before?.[p]);
    return Array.from({ length: n }, (_, k): Job => {
      const index = p * n + k;
      const onStep = (step: JobStep): void => {
        steps.push({ ...step, index });
        if (step.finish !== undefined && --left === 0) onComputed();
      };
      const own = { ...prompt, uniform: uniforms(seed, index), constraint: grammar?.constraint() };
      return { adapter, settings, isStopped, logprobs, signal, prompt: own, onStep, onError };
    });
  });
}

const writersOf = ({ prompts, n, shown, before }: ChoicesCall, tokenizer: Tokenizer, stops: StopStrings) =>
  prompts.flatMap((_, p) => Array.from({ length: n }, () => new TextWriter(tokenizer, stops, shown, before?.[p])));

/** Adds the text of each choice, until all have ended. */
async function* written(
  steps: AsyncIterable<JobStep & { readonly index: number }>,
  writers: readonly TextWriter[],
): AsyncGenerator<ChoicePiece> {
  let left = writers.length;
  for await (const step of steps) {
    yield { ...step, text: await writers[step.index]!.write(step) };
    if (step.finish !== undefined && --left === 0) return;
  }
}

/** A queue between a producer that never waits and one reader. */
class Channel<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #end: { readonly error?: unknown } | undefined;
  #wake = (): void => {};

  push(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  /** Ends the queue after the items in it. @param error to throw at the reader then */
  end(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const items = this.#items;
      this.#items = [];
      yield* items;
      if (this.#items.length > 0) continue;
      if (this.#end) {
        if ("error" in this.#end) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
