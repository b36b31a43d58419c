import { stem } from "porter2";
import { meanings } from "./wordnet.js";

/** How two words are alike: they are the same, have the same stem, or a meaning in common. */
export const MODULES = ["exact", "stem", "synonym"] as const;

/** How many ways of aligning are followed. */
const BEAM = 40;

/** A word of the text that may be aligned with one of the reference. */
interface Match {
  /** Place of the word in the text. */
  readonly at: number;
  /** Place of the word in the reference. */
  readonly to: number;
  /** Index in `MODULES`. */
  readonly module: number;
}

/** An alignment of the reference's first words; lists of matches share their beginnings. */
interface Path {
  readonly last: Match | undefined;
  readonly before: Path | undefined;
  /** 1 for the words of the text that are aligned, or will be by a fixed match. */
  readonly used: Uint8Array;
  readonly exact: number;
  /** Chunks that have ended. */
  readonly chunks: number;
  /** Where in the text the chunk would go on, −1 outside chunks. */
  readonly next: number;
  readonly distance: number;
}

/** Matches, at most one a word, in the order of the reference, and the chunks of words in turn that they form. */
export interface Alignment {
  readonly matches: readonly Match[];
  readonly chunks: number;
}

/**
 * The alignment of a text with a reference as METEOR 1.5's `Aligner` finds it: most words that are the same, fewest chunks,
 * smallest distance, from left to right with a beam. As there, words that are not the same count for nothing in that
 * order (its counts are integers, to which half a match adds nothing), and a way that skips a word bears the distances of
 * the matches that it did not take.
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

/** For each word of the reference the words of the text that it may be aligned with, by module, then by place. */
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

/** For each word of the reference its match where neither word has another. */
function fixedMatches(candidates: readonly (readonly Match[])[], words: number): (Match | undefined)[] {
  const covered = new Array<number>(words).fill(0);
  for (const { at } of candidates.flat()) covered[at]!++;
  return candidates.map((matches) => (matches.length === 1 && covered[matches[0]!.at] === 1 ? matches[0] : undefined));
}

/**
 * The ways on from a path that may stay in the beam: each match whose word is free, and none. Distances only grow from match
 * to match, so of a module's matches that start a chunk no more than the beam holds are tried.
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

/** A path that stays, with the word of its last match among those that are used; paths share the list until then. */
function settled(path: Path): Path {
  if (path.last === undefined || path.used[path.last.at] === 1) return path;
  const used = path.used.slice();
  used[path.last.at] = 1;
  return { ...path, used };
}

/** The path without a match for the word; a chunk ends. */
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
