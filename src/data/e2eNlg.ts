import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import { readCsv } from "./csv.js";
import type { Dataset } from "./example.js";
import type { LanguageExample } from "./languageRows.js";
import { namesIn, noFiles, type Split } from "./setFolder.js";
import { rowError } from "./textFile.js";
import { readText } from "./values.js";

const FILES: Readonly<Record<Split, string>> = {
  train: "trainset.csv",
  validation: "devset.csv",
  test: "testset_w_refs.csv",
};

/** Between a meaning and its text, as in the files that prefix-tuning (Li and Liang, 2021) and LoRA (Hu et al., 2022) were run on. */
const SEPARATOR = " ||";

/**
 * The E2E NLG Challenge's rows: a prompt is a meaning as published and the separator, the same for all rows of one meaning, its
 * completion a space and the reference. The end-of-text token follows, as after any completion.
 * @throws BidoraError naming the missing file or column, or the line at fault
 */
export async function readE2e(directory: string, split: Split): Promise<Dataset<LanguageExample>> {
  const names = await namesIn(directory);
  if (!names.includes(FILES[split]))
    throw noFiles(directory, `${FILES[split]} of the E2E NLG Challenge (${Object.values(FILES).join(", ")})`);
  const file = join(directory, FILES[split]);
  const table = await readCsv(file);
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
