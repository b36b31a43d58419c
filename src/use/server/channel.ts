/** A queue between a producer that never waits and one reader. */
export class Channel<T> implements AsyncIterable<T> {
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
