/** The files in the folder of a published data set. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { BidoraError } from "../../base/index.js";
import { fileError } from "../data/files/textFile.js";

/** What a folder holds, by name, sorted. @throws BidoraError for a folder that does not exist */
export async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw fileError(folder, cause);
  });
  return names.sort();
}

/** The path of a published file. @param of the data set, as part of a sentence @throws BidoraError for a folder without it */
export async function fileIn(folder: string, name: string, of: string): Promise<string> {
  if ((await namesIn(folder)).includes(name)) return join(folder, name);
  throw missingFiles(folder, `${name} of ${of}`);
}

/** The error for a folder without a data set's files. @param files their names, as part of a sentence */
export function missingFiles(folder: string, files: string): BidoraError {
  return new BidoraError("FILE", `${folder} has no ${files}: --data must be the folder with the published files.`);
}

/**
 * The Parquet files of one split in the Hub's layout, in order: `train-00000-of-00002.parquet`, …, in the folder itself, in one named
 * after the set's configuration, or in `data`. None if the split has no such file.
 * @throws BidoraError if some of the files of a split are missing
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
