/** A stream of results, which can also be awaited as a whole. */
import { UsageError } from "./errors.js";

/**
 * Results one at a time with `for await`, or all together with `await`. Work starts at the first request for results; a stream can be
 * read only once.
 */
export class ResultStream<T, All = readonly T[]> implements AsyncIterable<T>, PromiseLike<All> {
  #isIterated = false;
  #all: Promise<All> | undefined;

  /**
   * @param each yields the results
   * @param all returns all results together; by default a list of those from `each`
   */
  constructor(
    private readonly each: () => AsyncGenerator<T>,
    private readonly all: () => Promise<All> = () => listOf(each()) as Promise<All>,
  ) {}

  /** Ending the loop early ends the work. @throws UsageError if the stream has been read */
  [Symbol.asyncIterator](): AsyncGenerator<T> {
    if (this.#isIterated || this.#all) throw alreadyRead();
    this.#isIterated = true;
    return this.each();
  }

  /** Waits for all results. Can be called several times. */
  // biome-ignore lint/suspicious/noThenProperty: awaiting a stream gives all of its results
  then<A = All, B = never>(
    onDone?: ((all: All) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#whole().then(onDone, onError);
  }

  /** Handles an error, as a promise's `catch` does. */
  catch<B = never>(onError?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<All | B> {
    return this.#whole().catch(onError);
  }

  /** As a promise's `finally`. */
  finally(onEnd?: (() => void) | null): Promise<All> {
    return this.#whole().finally(onEnd);
  }

  #whole(): Promise<All> {
    if (this.#isIterated) return Promise.reject(alreadyRead());
    this.#all ??= this.all();
    return this.#all;
  }
}

async function listOf<T>(each: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const one of each) list.push(one);
  return list;
}

const alreadyRead = (): UsageError =>
  new UsageError("A stream of results can be read once: await it or loop over it, and keep the results.");
