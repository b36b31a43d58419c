/** One pass over a file of rows: where each row is, and what is to be known of it. */
import { IndexBuilder, type IndexData } from "./indexData.js";
import { linesOf } from "./lines.js";
import { type Reading, RowReader } from "./rowReader.js";

/** A file, by its path and by its name in messages. */
export interface NamedFile {
  readonly path: string;
  readonly name: string;
}

export interface IndexJob {
  readonly kind: "index";
  readonly file: NamedFile;
  readonly reading: Reading;
  /** Files whose rows should not be among these: those of the other splits. */
  readonly others: readonly NamedFile[];
}

/** A prompt that all rows have tells none apart: then completions count too. @param onShare receives how much is done, from 0 to 1 */
export async function readIndex(job: IndexJob, onShare: (share: number) => void): Promise<IndexData> {
  const { data, inputs } = await readOnce(job, onShare);
  if (inputs !== 1 || data.starts.length === 1) return data;
  return (await readOnce({ ...job, reading: { ...job.reading, isWhole: true } }, onShare)).data;
}

/** @returns also how many different inputs there are */
async function readOnce({ file, reading, others }: IndexJob, onShare: (share: number) => void) {
  const parts = others.length + 1;
  const elsewhere = new Set<string>();
  for (const [i, other] of others.entries())
    for (const key of await keysOf(other, reading, (share) => onShare((i + share) / parts))) elsewhere.add(key);
  const inputs = new Set([...elsewhere].slice(0, 2));
  const builder = new IndexBuilder(reading, elsewhere);
  const reader = new RowReader(file.name, reading);
  for (const { texts, starts, numbers, share } of linesOf(file.path)) {
    const rows = await reader.read(texts, numbers);
    for (const [i, row] of rows.entries()) {
      builder.add(row, starts[i]!, numbers[i]!);
      if (row.key !== "" && inputs.size < 2) inputs.add(row.key);
    }
    onShare((others.length + share) / parts);
  }
  return { data: builder.finish(reader.columns), inputs: inputs.size };
}

async function keysOf(file: NamedFile, reading: Reading, onShare: (share: number) => void): Promise<Set<string>> {
  const keys = new Set<string>();
  const reader = new RowReader(file.name, reading);
  for (const { texts, numbers, share } of linesOf(file.path)) {
    for (const { key } of await reader.read(texts, numbers)) if (key !== "") keys.add(key);
    onShare(share);
  }
  return keys;
}
