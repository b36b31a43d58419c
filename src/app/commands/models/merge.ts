/** `bidora merge`: merges an adapter into its base model. */

import { dirname } from "node:path";
import { CHAT_TEMPLATE, UsageError } from "../../../base/index.js";
import { copyFiles, fillFolder, holdOutput, refuseOccupied, removeOwnFiles } from "../../../base/records/index.js";
import { choice, type Given, group, text } from "../../../base/settings/index.js";
import { BITSANDBYTES_FORMATS } from "../../../formats/bitsandbytes/index.js";
import { inferenceMetadata, mergedParameters, writeAdapterMetadata } from "../../../models/adapters/index.js";
import { Packing, refuseBadWeights, storedDtype, weightsIn, writeModelFolder } from "../../../models/index.js";
import { baseModel, overwrite, session } from "../../../tasks/config/index.js";
import { chosenTask } from "../../../tasks/datasets/index.js";
import type { NamedTask } from "../../../tasks/index.js";
import { listTokenizerFiles, loadTokenizer } from "../../../text/index.js";
import {
  type FoundModel,
  findModel,
  foldersOf,
  noteAdapterTokenizer,
  open,
  trainedTemplate,
} from "../../../use/inference/index.js";
import { call, defineCommand, type Hooks } from "../command.js";

const output = group("Output");

const options = {
  ...baseModel,
  output: output(text("DIR"), "folder for the merged model"),
  baseDtype: output.advanced(
    choice(BITSANDBYTES_FORMATS),
    "pack the matrices of linear layers, as transformers and bitsandbytes do",
    { defaultText: "the base model's data type" },
  ),
  ...overwrite,
  ...session,
};

/** A merged model's folder. */
export interface Merged {
  readonly path: string;
  /** With `baseDtype`: the root mean square error of the packed matrices, relative to the merged ones. */
  readonly packingError?: number;
}

/** What `merge` takes: the flags of `bidora merge`, in camelCase. */
export type MergeSettings = Given<typeof options>;

export const mergeCommand = defineCommand({
  usage: "merge [--model M] --adapter A --output DIR",
  about: "Merges an adapter into its base model and saves a plain Hugging Face model.",
  options,
  hooks: ["task", "onNote"],
  leavesFiles: true,
  async run(settings, context): Promise<Merged> {
    if (settings.adapter === undefined) throw new UsageError("--adapter is missing: name the adapter to merge.");
    const found = await findModel(settings, context);
    return holdOutput(settings.output, async (path) => {
      refuseOccupied(path, settings.overwrite, foldersOf(found));
      const packing = settings.baseDtype === undefined ? undefined : new Packing(settings.baseDtype);
      await writeMerged(path, found, context.task, packing);
      return { path, ...(packing && { packingError: packing.relativeError }) };
    });
  },
  show: ({ path: output, ...packed }) => ({
    value: { output, ...packed },
    text: [`Merged model in ${output}`, ...lossLines(packed)].join("\n"),
  }),
});

const lossLines = ({ packingError }: Pick<Merged, "packingError">): string[] =>
  packingError === undefined
    ? []
    : [
        `Packing changed the merged matrices by ${(100 * packingError).toPrecision(2)}% (relative root mean square error).`,
      ];

/**
 * Merges an adapter into its base model and saves a plain model for transformers, in the base's dtype, or with packed matrices. Weights are
 * merged in float32 (float64 for a float64 base), those of a packed base as they are decoded. Nothing is written before everything is
 * computed.
 */
export const merge = (settings: MergeSettings, hooks: Pick<Hooks, "task" | "onNote"> = {}): Promise<Merged> =>
  call("merge", mergeCommand, settings, hooks);

async function writeMerged(
  path: string,
  found: FoundModel,
  own: NamedTask | undefined,
  packing: Packing | undefined,
): Promise<void> {
  const source = found.folder;
  const inFile = storedDtype(source);
  const dtype = packing && inFile === "float64" ? "float32" : inFile;
  const task = chosenTask(undefined, own);
  const opened = await open(found, { task, dtype: dtype === "float64" ? dtype : "float32" });
  refuseBadWeights(weightsIn({ folder: source, model: opened.model }));
  const changed = opened.adapted ? mergedParameters(opened.adapted) : new Map();
  const trainedModules = [...opened.trainedModules, ...(opened.adapted?.config.modulesToSave ?? [])];
  const tokenizerFiles = await listTokenizerFiles(source);
  const template = trainedTemplate(found);
  const tokenizer = await loadTokenizer(source, { chatTemplate: template }).catch(() => undefined);
  if (tokenizer) await noteAdapterTokenizer(found, tokenizer, opened.task);
  const fill = (folder: string): void => {
    copyFiles(tokenizerFiles, source, folder);
    if (template !== undefined) copyFiles([CHAT_TEMPLATE], dirname(template), folder);
    const { maxLength } = opened.metadata ?? {};
    writeModelFolder(folder, { ...opened, trainedModules, source, dtype, changed, packing, maxLength });
    if (opened.metadata) writeAdapterMetadata(folder, inferenceMetadata(opened.metadata));
  };
  await fillFolder(path, fill, () => removeOwnFiles(path));
}
