/** How long a server may take to respond, and how much it may send. */
interface ResponseLimits {
  /** Longest silence in milliseconds: before the response, and between two pieces of its body. */
  readonly silenceMs: number;
  /** For the whole response, if it is known to be short. */
  readonly wholeMs?: number | undefined;
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export class ResponseTooSlow extends Error {}
export class ResponseTooLong extends Error {}

/**
 * `fetch` with limits that hold until the body's last byte. The time is kept here, by a timer for each piece: a signal made by
 * `AbortSignal.any` or `AbortSignal.timeout` can be garbage-collected as soon as the response has begun, and then never fires.
 * @throws ResponseTooSlow, ResponseTooLong (while the body is read, too), the signal's own reason, or what `fetch` throws
 */
export async function limitedFetch(url: URL, init: RequestInit, limits: ResponseLimits): Promise<Response> {
  const connection = new AbortController();
  const clock = new Clock(limits);
  try {
    const response = await clock.limit(fetch(url, { ...init, signal: connection.signal }));
    if (response.body === null) return response;
    const { status, statusText, headers } = response;
    const body = ReadableStream.from(pieces(response.body, clock, limits.maxBytes));
    return new Response(body, { status, statusText, headers });
  } catch (error) {
    connection.abort();
    throw error;
  }
}

async function* pieces(body: ReadableStream<Uint8Array>, clock: Clock, maxBytes: number): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let received = 0;
  try {
    for (;;) {
      const { done, value } = await clock.limit(reader.read());
      if (done) return;
      received += value.length;
      if (received > maxBytes) throw new ResponseTooLong(`sent more than ${maxBytes} bytes`);
      yield value;
    }
  } finally {
    // Closes the connection where the body has not ended.
    void reader.cancel().catch(() => {});
  }
}

class Clock {
  private readonly end: number;

  constructor(private readonly limits: ResponseLimits) {
    this.end = performance.now() + (limits.wholeMs ?? Number.POSITIVE_INFINITY);
  }

  /** What `work` gives, or an error as soon as the time is up or the caller has cancelled. */
  limit<T>(work: Promise<T>): Promise<T> {
    const { silenceMs, signal } = this.limits;
    return new Promise<T>((resolve, reject) => {
      const cancel = () => reject(signal!.reason as Error);
      const expire = () => reject(new ResponseTooSlow("did not answer in time"));
      const timer = setTimeout(expire, Math.max(0, Math.min(silenceMs, this.end - performance.now())));
      if (signal?.aborted) cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", cancel);
      };
      work.finally(settle).then(resolve, reject);
    });
  }
}
