import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import { namesIn } from "./setFolder.js";

/**
 * The Parquet files of one split of a data set in Hugging Face's layout, in their order: `train-00000-of-00002.parquet`, … in the
 * folder itself, in one named like the set's configuration, or in `data`. None where the split has no such file.
 * @throws BidoraError where one of several files is missing
 */
export async function hubFiles(directory: string, configurations: readonly string[], split: string): Promise<string[]> {
  const inside = await namesIn(directory);
  const own = shardsOf(directory, inside, split);
  if (own.length > 0) return own;
  for (const name of [...configurations, "data"].filter((folder) => inside.includes(folder))) {
    const folder = join(directory, name);
    const found = shardsOf(folder, await namesIn(folder), split);
    if (found.length > 0) return found;
  }
  return [];
}

function shardsOf(folder: string, names: readonly string[], split: string): string[] {
  const found = names.flatMap((name) => {
    const [, stem, , count] = /^(.+)-(\d{5})-of-(\d{5})\.parquet$/.exec(name) ?? [];
    return stem === split ? [{ name, count: Number(count) }] : [];
  });
  const [first] = found;
  if (first && found.length !== first.count)
    throw new BidoraError(
      "FILE",
      `${folder} has ${found.length} of the ${first.count} files ${split}-….parquet: all are needed.`,
    );
  return found.map(({ name }) => join(folder, name));
}
