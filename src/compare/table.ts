/** A table as what it says, for renderers to set: a row a name, its cells by columns. */
export interface Table {
  /** What the rows are, over their names. */
  readonly heading: string;
  readonly names: readonly string[];
  readonly columns: readonly Column[];
  /** Sentences that belong under it. */
  readonly notes: readonly string[];
}

export interface Column {
  /** What neighbouring columns have in common, over their titles; empty where there is nothing. */
  readonly group: string;
  readonly title: string;
  /** Words to the left, figures to the right. */
  readonly align: "left" | "right";
  /** A cell a name, in their order. */
  readonly cells: readonly Cell[];
}

export interface Cell {
  readonly text: string;
  /** Whether it is the best of its column, or as good as that. */
  readonly best: boolean;
}

/** What stands where there is nothing to say. */
export const NOTHING = "–";

export const plain = (text: string): Cell => ({ text, best: false });

/** Neighbouring columns of one group, as its name and how many they are. */
export function groupSpans(columns: readonly Column[]): { readonly group: string; readonly count: number }[] {
  const spans: { group: string; count: number }[] = [];
  for (const { group } of columns) {
    const last = spans.at(-1);
    if (last?.group === group) last.count++;
    else spans.push({ group, count: 1 });
  }
  return spans;
}
