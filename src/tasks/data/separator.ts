/** What separates the columns of a CSV file: programs write semicolons where the comma is the decimal sign. */

/** In the order of preference. */
const SEPARATORS = [
  { sign: ",", name: "commas" },
  { sign: ";", name: "semicolons" },
  { sign: "\t", name: "tabs" },
] as const;

type Separator = (typeof SEPARATORS)[number];

/** The first records of a file as they read with one separator, up to one that can't be read. */
type HeadReader = (sign: string) => Promise<readonly (readonly string[])[]>;

/**
 * The separator that gives the header several columns, and of several such ones that with which more of the first rows have as many
 * columns, or else more columns; the comma if there is none.
 * @param header the column names of a file without a header row
 */
export async function separatorOf(head: HeadReader, header: readonly string[] | undefined): Promise<Separator> {
  const [comma] = SEPARATORS;
  let best: { readonly separator: Separator; readonly rank: readonly [number, number] } = {
    separator: comma,
    rank: [0, 0],
  };
  for (const separator of SEPARATORS) {
    const [first = [], ...rest] = await head(separator.sign);
    const rows = header === undefined ? rest : [first, ...rest];
    const width = header?.length ?? first.length;
    const fitting = rows.filter((row) => row.length === width).length;
    const rank = [rows.length === 0 ? 1 : fitting / rows.length, width] as const;
    if (width > 1 && (rank[0] > best.rank[0] || (rank[0] === best.rank[0] && rank[1] > best.rank[1])))
      best = { separator, rank };
  }
  return best.separator;
}
