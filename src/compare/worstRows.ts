import { rougeL } from "@bidora/text-metrics";

/** Rows with how wrong each is, the worst first, equals in their own order; a row that is right (0 or less) is none of them. */
export function worstRows<Row>(
  rows: readonly Row[],
  wrongnessOf: (row: Row) => number,
  most: number,
): { readonly row: Row; readonly wrongness: number }[] {
  const wrong = rows.map((row) => ({ row, wrongness: wrongnessOf(row) })).filter(({ wrongness }) => wrongness > 0);
  return wrong.sort((a, b) => b.wrongness - a.wrongness).slice(0, most);
}

/** How near a text is to the nearest of its references, by words: ROUGE-L, in [0, 1]. */
export function likeness(references: readonly string[], text: string): number {
  return references.length === 0 ? 0 : rougeL().measure(references, text, 1);
}
