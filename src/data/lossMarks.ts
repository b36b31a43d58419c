import type { TextTokens } from "../text/index.js";
import type { Span } from "./chatSpans.js";

/** Spans counted in code points, as tokenizers count, from spans in UTF-16 units; in the text's order. */
export function codePointSpans(text: string, spans: readonly Span[]): Span[] {
  let [units, points] = [0, 0];
  const pointsAt = (place: number): number => {
    for (; units < place; points++) units += (text.codePointAt(units) as number) > 0xffff ? 2 : 1;
    return points;
  };
  return spans.map(([from, to]) => [pointsAt(from), pointsAt(to)]);
}

/** Whether each token has a character of a span: transformers' rule for what the assistant said. */
export function marksOf(offsets: TextTokens["offsets"], spans: readonly Span[]): boolean[] {
  let next = 0;
  return offsets.map(([from, to]) => {
    while (next < spans.length && from >= (spans[next] as Span)[1]) next++;
    return next < spans.length && to > (spans[next] as Span)[0];
  });
}
