// The files in which GLUE's server takes predictions for test rows, and the zip with all of them.
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { zipSync } from "fflate";
import { BidoraError, type CallContext, formatCount, makeFolder, UsageError } from "../../../base/index.js";
import { freeFile, writeFileAtomic } from "../../../base/records/index.js";
import type { Example } from "../../../tasks/data/index.js";
import {
  GLUE_FILES,
  type GlueSubmission,
  type NamedChoice,
  outputsOfLabels,
  submissionOf,
} from "../../../tasks/datasets/index.js";
import type { Prediction } from "../../../use/inference/index.js";

type File = GlueSubmission["files"][number];

/** Where a submission goes. */
export interface Submission {
  readonly dataset: string;
  readonly facts: GlueSubmission & { readonly labelNames: readonly string[] };
  /** The path of each file. */
  readonly paths: ReadonlyMap<File, string>;
  /** The folder of the zip; undefined for a single file. */
  readonly folder: string | undefined;
}

interface SubmissionSettings {
  readonly overwrite: boolean;
  readonly inputs: readonly (string | undefined)[];
  readonly split?: string | undefined;
  readonly limit?: number | undefined;
}

/**
 * Checks where the files go: a folder, or for a set with one file also a `.tsv` file.
 * @throws UsageError for a task that GLUE's server does not take, and for a file where two are written; as `freeFile`
 */
export function submissionTo(
  output: string | undefined,
  choice: NamedChoice | undefined,
  { overwrite, inputs, split, limit }: SubmissionSettings,
): Submission {
  const facts = choice && submissionOf(choice.dataset);
  if (!choice || !facts)
    throw new UsageError("--format glue needs a set of GLUE as --task, such as glue/mrpc, and its folder as --input.");
  if (output === undefined) throw new UsageError("--output is missing: give the folder for the submission.");
  if ((split ?? "test") !== "test" || limit !== undefined)
    throw new UsageError(
      `--format glue writes predictions for all test rows: leave ${limit === undefined ? "--split" : "--limit"} out.`,
    );
  const isFile = output.endsWith(".tsv");
  if (isFile && facts.files.length > 1)
    throw new UsageError(
      `--output ${output} is one file, but ${choice.dataset} has ${facts.files.length}: name a folder.`,
    );
  const paths = facts.files.map((file) => [file, isFile ? output : join(output, file.name)] as const);
  const free = paths.map(([file, path]) => [file, freeFile(path, overwrite, inputs)] as const);
  return { dataset: choice.dataset, facts, paths: new Map(free), folder: isFile ? undefined : output };
}

interface Predicted extends CallContext {
  /** Of the model, in the order of its outputs. */
  readonly labels: readonly string[];
  /** The predicted examples, once they are read. */
  readonly examplesOf: () => readonly Example[];
}

/**
 * Passes predictions on; after the last one, writes the files, and the zip of all of GLUE's files that the folder has by then.
 * Notes are on rows and files without which the server refuses the submission.
 */
export async function* submitted(
  { dataset, facts, paths, folder }: Submission,
  rows: AsyncIterable<Prediction>,
  { labels, examplesOf, onNote }: Predicted,
): AsyncGenerator<Prediction> {
  const answerOf = answers(dataset, facts, labels);
  const lines = new Map(facts.files.map((file) => [file, ["index\tprediction"]]));
  let row = 0;
  for await (const prediction of rows) {
    const source = basename(examplesOf()[row++]!.at.file);
    const file = facts.files.find(({ stem }) => source.startsWith(stem)) ?? facts.files[0]!;
    const found = lines.get(file)!;
    found.push(`${found.length - 1}\t${answerOf(prediction)}`);
    yield prediction;
  }
  for (const [file, path] of paths) {
    const written = lines.get(file)!;
    makeFolder(dirname(path));
    writeFileAtomic(path, `${written.join("\n")}\n`);
    if (written.length - 1 !== file.rows)
      onNote?.(
        `${file.name} has ${formatCount(written.length - 1)} rows, but GLUE published ${formatCount(file.rows)}: its server takes all of them only.`,
      );
  }
  if (folder !== undefined) writeZip(folder, onNote);
}

/** What the server takes for a prediction. @throws BidoraError `UNKNOWN_LABEL` for a label that the set does not have */
function answers(
  dataset: string,
  { labels: spelled, labelNames }: Submission["facts"],
  outputs: readonly string[],
): (prediction: Prediction) => string {
  if (!spelled) return ({ value }) => Math.min(5, Math.max(0, value as number)).toFixed(3);
  const own = outputsOfLabels(outputs, labelNames);
  const byOutput = new Map(labelNames.map((name, i) => [outputs[own.find(name) ?? -1], spelled[i]]));
  return ({ label }) => {
    const found = byOutput.get(label);
    if (found !== undefined) return found;
    throw new BidoraError(
      "UNKNOWN_LABEL",
      `The model predicts ${label}, which is not a label of ${dataset} (${labelNames.join(", ")}): use a model that was trained on it.`,
    );
  };
}

const ZIP = "submission.zip";

/** The zip of the files that a folder has, at its top level. */
function writeZip(folder: string, onNote: CallContext["onNote"]): void {
  const there = GLUE_FILES.filter((name) => existsSync(join(folder, name)));
  const bytes = zipSync(Object.fromEntries(there.map((name) => [name, readFileSync(join(folder, name))])));
  writeFileAtomic(join(folder, ZIP), bytes);
  const missing = GLUE_FILES.filter((name) => !there.includes(name));
  if (missing.length > 0)
    onNote?.(`${join(folder, ZIP)} lacks ${missing.join(", ")}: GLUE's server takes a zip with all files only.`);
}
