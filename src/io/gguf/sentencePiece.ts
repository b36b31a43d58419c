/**
 * The merges that a vocabulary with scores stands for, as transformers makes them: every way in which a piece is put together of
 * two others, the best scores first, then the longest first parts.
 */
export function mergesOf(tokens: readonly string[], scores: readonly number[]): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const scoreOf = new Map(tokens.map((token, id) => [token, scores[id]!]));
  const merges: Merge[] = [];
  for (const [token, score] of scoreOf) merges.push(...splits(token, score, ids));
  merges.sort((a, b) => b.score - a.score || b.lengths[0] - a.lengths[0] || b.lengths[1] - a.lengths[1]);
  return merges.map(({ parts }) => parts);
}

interface Merge {
  readonly parts: [string, string];
  /** In characters. */
  readonly lengths: readonly [number, number];
  readonly score: number;
}

function splits(token: string, score: number, ids: ReadonlyMap<string, number>): Merge[] {
  const characters = Array.from(token);
  const found: Merge[] = [];
  for (let at = 1; at < characters.length; at++) {
    const parts: [string, string] = [characters.slice(0, at).join(""), characters.slice(at).join("")];
    if (ids.has(parts[0]) && ids.has(parts[1])) found.push({ parts, lengths: [at, characters.length - at], score });
  }
  const idOf = (part: string) => ids.get(part)!;
  return found.sort((a, b) => idOf(a.parts[0]) - idOf(b.parts[0]) || idOf(a.parts[1]) - idOf(b.parts[1]));
}
