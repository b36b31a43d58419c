/**
 * The events of some work as a stream. The work waits at each event until the reader asks for the next one.
 * @param work gets `emit`, which resolves when the reader has finished with the event, and a signal that is aborted when the reader ends
 *   the stream early; `emit` then resolves at once, and the stream ends when the work has
 * @returns the result of the work
 */
export async function* eventStream<E, Result>(
  work: (emit: (event: E) => Promise<void>, signal: AbortSignal) => Promise<Result>,
): AsyncGenerator<E, Result, void> {
  const leaving = new AbortController();
  const offers: { readonly event: E; readonly onTaken: () => void }[] = [];
  let wake = () => {};
  const emit = (event: E) =>
    new Promise<void>((onTaken) => {
      if (leaving.signal.aborted) onTaken();
      else offers.push({ event, onTaken });
      wake();
    });
  let isOver = false;
  const result = work(emit, leaving.signal).finally(() => {
    isOver = true;
    wake();
  });
  // It is awaited below, perhaps later than it fails.
  result.catch(() => {});
  try {
    for (;;) {
      const offer = offers.shift();
      if (offer) yield* taken(offer);
      else if (isOver) return await result;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    leaving.abort();
    for (const { onTaken } of offers.splice(0)) onTaken();
    await result;
  }
}

function* taken<E>({ event, onTaken }: { readonly event: E; readonly onTaken: () => void }): Generator<E> {
  try {
    yield event;
  } finally {
    onTaken();
  }
}
