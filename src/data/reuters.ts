import { join } from "node:path";
import type { Dataset, TextExample } from "./example.js";
import { byCodePoint } from "./labels.js";
import { type ReutersAttributes, type ReutersDocument, readReutersFile } from "./reutersSgml.js";
import { namesIn, noFiles, type Split } from "./setFolder.js";

/** The divisions that the collection's README.txt defines in its section VIII: by Apté, Hayes and Lewis, each modified. */
export type ReutersSplit = "modapte" | "modhayes" | "modlewis";

type Division = (attributes: ReutersAttributes) => Split | undefined;

const lewis = (value: string): Split | undefined => (({ TRAIN: "train", TEST: "test" }) as const)[value];

const DIVISIONS: Readonly<Record<ReutersSplit, Division>> = {
  modapte: ({ LEWISSPLIT, TOPICS }) => (TOPICS === "YES" ? lewis(LEWISSPLIT) : undefined),
  modhayes: ({ CGISPLIT }) => (CGISPLIT === "TRAINING-SET" ? "train" : "test"),
  modlewis: ({ LEWISSPLIT, TOPICS }) => (TOPICS === "BYPASS" ? undefined : lewis(LEWISSPLIT)),
};

const FILES = Array.from({ length: 22 }, (_, i) => `reut2-${String(i).padStart(3, "0")}.sgm`);

/**
 * Reuters-21578's stories with their topics, from the 22 SGML files. The label names are the topics that at least one training
 * story of the division has, by code point. Test stories keep these alone: a topic that training never saw can't be foretold and
 * is left out of what they are judged by, as where the field reports on the categories with a training document (115 for ModApte).
 * @throws BidoraError naming the missing file, or the line at fault
 */
export async function readReuters(
  by: ReutersSplit,
  directory: string,
  split: Split,
): Promise<Dataset<TextExample<readonly string[]>>> {
  const documents = await readAll(directory);
  const part = (wanted: Split) => documents.filter(({ attributes }) => DIVISIONS[by](attributes) === wanted);
  const known = new Set(part("train").flatMap(({ topics }) => topics));
  const examples = part(split).map(({ text, topics, at }): TextExample<readonly string[]> => {
    const label = [...new Set(topics)].filter((topic) => known.has(topic));
    return { input: [text], label, at };
  });
  return { examples, labelNames: [...known].sort(byCodePoint) };
}

async function readAll(directory: string): Promise<ReutersDocument[]> {
  const names = await namesIn(directory);
  const missing = FILES.find((name) => !names.includes(name));
  if (missing !== undefined) throw noFiles(directory, `${missing} of Reuters-21578's ${FILES[0]} to ${FILES.at(-1)}`);
  const documents: ReutersDocument[] = [];
  for (const name of FILES) documents.push(...(await readReutersFile(join(directory, name))));
  return documents;
}
