import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import type { Dataset } from "./example.js";
import { hubFiles } from "./hubParquet.js";
import { namesIn, noFiles, type Split } from "./setFolder.js";
import { loadQuestions, type QuestionExample } from "./squad.js";

/** 1.1, in which each question has an answer, and 2.0. */
const VERSIONS = [
  { train: "train-v1.1.json", validation: "dev-v1.1.json" },
  { train: "train-v2.0.json", validation: "dev-v2.0.json" },
] as const;
const CONFIGURATIONS = ["plain_text", "squad_v2"];

/**
 * SQuAD's questions, of the version that the folder has: from its own JSON, or from the Hub's Parquet files. Test rows were never
 * published.
 * @throws BidoraError naming the missing file, or the line at fault
 */
export async function readSquad(directory: string, split: Split): Promise<Dataset<QuestionExample>> {
  const examples: QuestionExample[] = [];
  for (const file of await filesOf(directory, split)) examples.push(...(await loadQuestions(file)).examples);
  return { examples, labelNames: undefined };
}

async function filesOf(directory: string, split: Split): Promise<string[]> {
  const names = await namesIn(directory);
  const versions = VERSIONS.filter((files) => Object.values(files).some((name) => names.includes(name)));
  if (versions.length > 1 || CONFIGURATIONS.every((name) => names.includes(name)))
    throw new BidoraError("FILE", `${directory} has both versions of SQuAD: give a folder with one of them.`);
  const wanted = split === "test" ? [] : (versions[0] ? versions : VERSIONS).map((files) => files[split]);
  const found = wanted.filter((name) => names.includes(name));
  if (found.length > 0) return found.map((name) => join(directory, name));
  const files = await hubFiles(directory, CONFIGURATIONS, split);
  if (files.length > 0) return files;
  throw noFiles(directory, `${[...wanted, `${split}-….parquet`].join(" or ")} of SQuAD`);
}
