import { join } from "node:path";
import { BidoraError } from "../../base/index.js";
import { type Dataset, loadQuestions, type QuestionExample } from "../data/index.js";
import type { NamedDatasets, Split } from "./dataset.js";
import { hubFiles, missingFiles, namesIn } from "./files.js";

/**
 * Questions on paragraphs of Wikipedia (Rajpurkar et al., 2016), in version 2.0 also questions without an answer (2018):
 * `train-v1.1.json` and `dev-v1.1.json`, or `train-v2.0.json` and `dev-v2.0.json`; or the Hub's Parquet files
 * (`plain_text/train-00000-of-00001.parquet`, …). A folder holds one of the versions. Test rows were never published.
 */
export const squad = {
  squad: {
    task: "question-answering",
    files: "SQuAD's JSON, 1.1 or 2.0, or Parquet",
    labelNames: [],
    labeled: ["train", "validation"],
    load,
  },
} as const satisfies NamedDatasets;

const VERSIONS = [
  { train: "train-v1.1.json", validation: "dev-v1.1.json" },
  { train: "train-v2.0.json", validation: "dev-v2.0.json" },
] as const;
const CONFIGURATIONS = ["plain_text", "squad_v2"];

async function load(directory: string, split: Split): Promise<Dataset<QuestionExample>> {
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
  throw missingFiles(directory, `${[...wanted, `${split}-….parquet`].join(" or ")} of SQuAD`);
}
