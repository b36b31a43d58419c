/** METEOR's alignment of a text with a reference. */
import { stem } from "porter2";
import { meanings } from "./wordnet.js";

/** METEOR's matchers: equal words, equal stems, a shared meaning. */
export const MODULES = ["exact", "stem", "synonym"] as const;

/** The beam width. */
const BEAM = 40;

/** A possible alignment of a word of the text with one of the reference. */
interface Match {
  /** Place of the word in the text. */
  readonly at: number;
  /** Place of the word in the reference. */
  readonly to: number;
  /** Index in `MODULES`. */
  readonly module: number;
}

/** A partial alignment, up to some word of the reference; paths share their beginnings. */
interface Path {
  readonly last: Match | undefined;
  readonly before: Path | undefined;
  /** 1 for words of the text that are aligned, or that a fixed match will align. */
  readonly used: Uint8Array;
  readonly exact: number;
  /** The number of finished chunks. */
  readonly chunks: number;
  /** The place in the text that would continue the current chunk, −1 outside chunks. */
  readonly next: number;
  readonly distance: number;
}

/** Matches, at most one per word, in the reference's order, and the number of chunks of consecutive words that they form. */
export interface Alignment {
  readonly matches: readonly Match[];
  readonly chunks: number;
}

/**
 * Aligns a text with a reference as METEOR 1.5's `Aligner`: a beam search from left to right for most exact matches, then fewest
 * chunks, then smallest distance. As in METEOR, stem and synonym matches do not count in that order (its counts are integers, which
 * round half a match to nothing), and a path that skips a word adds the distances of the matches that it did not take.
 */
export function align(text: readonly string[], reference: readonly string[]): Alignment {
  const candidates = candidateMatches(text, reference);
  const fixed = fixedMatches(candidates, text.length);
  const start: Path = {
    last: undefined,
    before: undefined,
    used: Uint8Array.from(text, (_, at) => (fixed.some((match) => match?.at === at) ? 1 : 0)),
    exact: 0,
    chunks: 0,
    next: -1,
    distance: 0,
  };
  let paths = [start];
  for (const [to, matches] of candidates.entries()) {
    const kept = paths.sort(better).slice(0, BEAM).map(settled);
    const only = fixed[to];
    paths = kept.flatMap((path) =>
      only === undefined ? branches(path, matches) : [taken(path, only, path.distance + distanceOf(only))],
    );
  }
  const ended = paths
    .sort(better)
    .slice(0, BEAM)
    .map((path) => skipped(path));
  return alignmentOf(ended.sort(better)[0]!);
}

const better = (a: Path, b: Path): number => b.exact - a.exact || a.chunks - b.chunks || a.distance - b.distance;

/** For each word of the reference, its possible matches by module, then by place in the text. */
function candidateMatches(text: readonly string[], reference: readonly string[]): Match[][] {
  const [textStems, referenceStems] = [text.map(stem), reference.map(stem)];
  const same = (at: number, to: number) => text[at] === reference[to];
  const likeness: readonly ((at: number, to: number) => boolean)[] = [
    same,
    (at, to) => !same(at, to) && textStems[at] === referenceStems[to],
    (at, to) => !same(at, to) && shareMeaning(text[at]!, reference[to]!),
  ];
  const identical = text.length === reference.length && text.every((_, place) => same(place, place));
  const modules = identical ? likeness.slice(0, 1) : likeness;
  return reference.map((_, to) =>
    modules.flatMap((alike, module) =>
      [...text.keys()].filter((at) => alike(at, to)).map((at) => ({ at, to, module })),
    ),
  );
}

function shareMeaning(a: string, b: string): boolean {
  const theirs = meanings().of(b);
  for (const meaning of meanings().of(a)) if (theirs.has(meaning)) return true;
  return false;
}

/** For each word of the reference, its match if neither word has another. */
function fixedMatches(candidates: readonly (readonly Match[])[], words: number): (Match | undefined)[] {
  const covered = new Array<number>(words).fill(0);
  for (const { at } of candidates.flat()) covered[at]!++;
  return candidates.map((matches) => (matches.length === 1 && covered[matches[0]!.at] === 1 ? matches[0] : undefined));
}

/**
 * The continuations of a path: each match whose word is free, and no match. Distances grow from match to match, so of a module's
 * matches that start a chunk no more than the beam width can survive.
 */
function branches(path: Path, matches: readonly Match[]): Path[] {
  const ways: Path[] = [];
  const tried = MODULES.map(() => 0);
  let distance = path.distance;
  for (const match of matches) {
    if (path.used[match.at] === 1) continue;
    if (match.at === path.next || tried[match.module]!++ < BEAM) ways.push(taken(path, match, distance));
    distance += distanceOf(match);
  }
  ways.push(skipped(path, distance));
  return ways;
}

const distanceOf = ({ at, to }: Match): number => Math.abs(to - at);

function taken(path: Path, match: Match, distance: number): Path {
  return {
    last: match,
    before: path,
    used: path.used,
    exact: path.exact + (match.module === 0 ? 1 : 0),
    chunks: path.chunks + (path.next !== -1 && path.next !== match.at ? 1 : 0),
    next: match.at + 1,
    distance,
  };
}

/** A surviving path with the word of its last match marked as used; until then paths share the array. */
function settled(path: Path): Path {
  if (path.last === undefined || path.used[path.last.at] === 1) return path;
  const used = path.used.slice();
  used[path.last.at] = 1;
  return { ...path, used };
}

/** The path without a match for the word, which ends the chunk. */
function skipped(path: Path, distance = path.distance): Path {
  if (path.next === -1 && distance === path.distance) return path;
  return { ...path, chunks: path.chunks + (path.next === -1 ? 0 : 1), next: -1, distance };
}

function alignmentOf(path: Path): Alignment {
  const matches: Match[] = [];
  for (let at: Path | undefined = path; at !== undefined; at = at.before)
    if (at.last !== undefined) matches.unshift(at.last);
  return { matches, chunks: path.chunks };
}
