import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { namedDatasets } from "../../../src/tasks/datasets/index.js";
import type { NamedDataset } from "../../../src/tasks/datasets/namedDatasets.js";
import { freshPath } from "../../support/workFolder.js";

/** A folder with the files of a data set, by path. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = freshPath("data-set");
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** The small copies in the Hub's layout that `make_hub.py` makes. */
export const HUB = fileURLToPath(new URL("../../golden/data/hub/", import.meta.url));

type LoadedSplit = Parameters<(typeof namedDatasets)[NamedDataset]["load"]>[1];

/** Inputs and labels of a split of a named data set. */
export async function rowsOf(name: NamedDataset, folder: string, split: LoadedSplit) {
  const { examples, labelNames } = await namedDatasets[name].load(folder, split);
  return {
    inputs: examples.map(({ input }) => input),
    labels: examples.map(({ label }) => label),
    lines: examples.map(({ at }) => at.line),
    labelNames,
  };
}

/** The splits with labels of a named data set's folder. */
export async function splitsOf(name: NamedDataset, folder: string) {
  const { labeled, labeledIn } = namedDatasets[name];
  return (await labeledIn?.(folder)) ?? labeled;
}

/** What is wrong with a folder, in words. */
export const faultOf = (loading: Promise<unknown>): Promise<string> =>
  loading.then(
    () => "nothing",
    (error: Error) => error.message,
  );
