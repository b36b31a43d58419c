import { BidoraError } from "../../base/index.js";
import { type Dataset, type LanguageExample, loadTable, rowError } from "../data/index.js";
import { readText } from "../data/table.js";
import type { NamedDatasets, Split } from "./dataset.js";
import { fileIn } from "./files.js";

/**
 * Descriptions of restaurants from meaning representations (Novikova et al., 2017): `trainset.csv`, `devset.csv`,
 * `testset_w_refs.csv` of the E2E NLG Challenge, with 42 061, 4 672 and 4 693 rows for 4 862, 547 and 630 meanings. A row is a prompt
 * and a completion for `causal-lm`: the prompt is the meaning as published and ` ||`, the completion a space and the reference, followed
 * by the end-of-text token. All rows of one meaning have the same prompt. (LoRA's experiments on GPT-2 had the same parts in the same
 * order, in text that was tokenized beforehand, with an end-of-text token as separator.)
 */
export const e2eNlg = {
  "e2e-nlg": {
    task: "causal-lm",
    files: "the challenge's CSV files",
    labelNames: [],
    texts: true,
    labeled: ["train", "validation", "test"],
    load,
  },
} as const satisfies NamedDatasets;

const FILES: Readonly<Record<Split, string>> = {
  train: "trainset.csv",
  validation: "devset.csv",
  test: "testset_w_refs.csv",
};

/** Between meaning and text, as in the files that prefix-tuning (Li and Liang, 2021) and LoRA (Hu et al., 2022) were run on. */
const SEPARATOR = " ||";

async function load(directory: string, split: Split): Promise<Dataset<LanguageExample>> {
  const file = await fileIn(directory, FILES[split], `the E2E NLG Challenge (${Object.values(FILES).join(", ")})`);
  const table = await loadTable(file);
  if (!["mr", "ref"].every((column) => table.columns.includes(column)))
    throw new BidoraError(
      "UNKNOWN_COLUMN",
      `${file} must have the columns mr and ref; it has ${table.columns.join(", ")}.`,
    );
  const examples = table.rows.map((row): LanguageExample => {
    const [meaning, reference] = ["mr", "ref"].map((column) => {
      const text = readText(table, row, column).trim();
      if (text === "") throw rowError(file, row.line, `the column ${column} is empty.`);
      return text;
    });
    const input = { kind: "prompt", prompt: `${meaning}${SEPARATOR}`, completion: ` ${reference}` } as const;
    return { input, label: undefined, at: { file, line: row.line } };
  });
  return { examples, labelNames: undefined };
}
