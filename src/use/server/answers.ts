/** Answers of the routes that generate text. */
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { Tokenizer } from "../../text/index.js";
import { isOwnFault, toApiError } from "./apiError.js";
import { type ChoicePiece, choicePieces } from "./choices.js";
import type { Engine } from "./engine/engine.js";
import type { ServerMetrics } from "./metrics.js";
import type { Plan } from "./plans.js";
import { jsonInParts, Usage } from "./responses/common.js";

export interface AnswerContext {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly release: () => void;
  /** Aborted when the server stops. */
  readonly closing: AbortSignal;
  readonly metrics: ServerMetrics;
  /** When the request came, as `performance.now()`. */
  readonly start: number;
  onError(error: unknown): void;
}

/** The variable of a streamed response: whether its client left before the end, once that is known. */
export const HAS_LEFT = "hasLeft";

/** Answers a request that generates text: with one response, or with a stream of events. */
export async function answer(c: Context, plan: Plan, context: AnswerContext): Promise<Response> {
  const { call, form, model } = plan;
  const { engine, tokenizer } = context;
  const leaving = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, context.closing, leaving.signal]);
  const whole = { ...call, onComputed: context.release };
  const prompt = call.prompts.reduce((sum, { ids }) => sum + ids.length, 0);
  context.metrics.countTokens(model, "prompt", prompt);
  const usage = new Usage(prompt);
  const computed = choicePieces(engine, tokenizer, whole, signal);
  const pieces = usage.counted(context.metrics.timing(model, computed, context.start));
  if (plan.stream) return streamed(c, pieces, plan, { usage, leaving, onError: context.onError });
  const all: ChoicePiece[] = [];
  for await (const piece of pieces) all.push(piece);
  const response = { ...form.frame, choices: [], usage: usage.json };
  const text = await jsonInParts(response, "choices", form.choices(byChoice(all)));
  return c.body(text, 200, { "content-type": "application/json" });
}

/** By the index of their choice. */
function byChoice(pieces: readonly ChoicePiece[]): ReadonlyMap<number, readonly ChoicePiece[]> {
  const all = new Map<number, ChoicePiece[]>();
  for (const piece of pieces) {
    const own = all.get(piece.index);
    if (own) own.push(piece);
    else all.set(piece.index, [piece]);
  }
  return all;
}

interface Streaming {
  readonly usage: Usage;
  /** Ends the computation when the client leaves. */
  readonly leaving: AbortController;
  onError(error: unknown): void;
}

/** Sends pieces as server-sent events, as fast as the client reads them. */
function streamed(
  c: Context,
  pieces: AsyncIterable<ChoicePiece>,
  { form, includesUsage }: Plan,
  streaming: Streaming,
): Response {
  const { usage, leaving, onError } = streaming;
  let onEnd: (hasLeft: boolean) => void = () => {};
  c.set(HAS_LEFT, new Promise<boolean>((resolve) => (onEnd = resolve)));
  return streamSSE(c, async (stream) => {
    const send = (event: object) => stream.writeSSE({ data: JSON.stringify(event) });
    stream.onAbort(() => leaving.abort());
    try {
      for (const event of form.opening()) await send(event);
      for await (const piece of pieces) for (const event of form.events(piece)) await send(event);
      if (includesUsage) await send(form.closing(usage));
      await stream.writeSSE({ data: "[DONE]" });
    } catch (error) {
      if (stream.aborted) return;
      if (isOwnFault(error)) onError(error);
      await send(toApiError(error).body);
    } finally {
      onEnd(stream.aborted);
    }
  });
}
