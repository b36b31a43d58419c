/** Which documents are relevant to which queries, from pairs of texts. */

/** A text to search with, and a text to find. */
export interface TextPair {
  readonly anchor: string;
  readonly positive: string;
}

/** Queries and documents, each text once. */
export interface Relevance {
  /** The anchors, in the order of the pairs. */
  readonly queries: readonly string[];
  /** The positives, in the order of the pairs, then the other texts of the corpus. */
  readonly documents: readonly string[];
  /** The places of the documents that are relevant to each query: all positives of its anchor, none twice. */
  readonly relevant: readonly (readonly number[])[];
}

/** The queries and documents of pairs of texts. @param corpus more documents */
export function relevanceOf(pairs: readonly TextPair[], corpus: readonly string[] = []): Relevance {
  const places = placesOf([...pairs.map(({ positive }) => positive), ...corpus]);
  const relevant = new Map<string, Set<number>>();
  for (const { anchor, positive } of pairs) {
    const known = relevant.get(anchor) ?? new Set();
    relevant.set(anchor, known.add(places.get(positive)!));
  }
  return {
    queries: [...relevant.keys()],
    documents: [...places.keys()],
    relevant: Array.from(relevant.values(), (documents) => [...documents]),
  };
}

/** The place of each text among the different ones, from 0. */
function placesOf(texts: readonly string[]): Map<string, number> {
  return new Map([...new Set(texts)].map((text, place) => [text, place]));
}
