import type { JsonObject } from "../files/json.js";
import type { Checkpoint } from "../io/checkpoint.js";
import { castTo } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type Architecture, checkpointNames } from "./architecture.js";
import type { HeadDesign } from "./head.js";
import type { LanguageConfig } from "./languageHead.js";

/** How a checkpoint's output matrix and embeddings are read. */
export interface Ties {
  /** What `config.json` comes to. */
  readonly config: JsonObject;
  /** Of a parameter's path, the one whose tensor is read for it. */
  readonly aliases: ReadonlyMap<string, string>;
}

/**
 * As transformers 5 loads them: what the configuration ties is not tied where the checkpoint has two tensors that differ, and where it
 * has the output matrix alone, that serves as the embeddings.
 * @param dtype in which they are compared
 */
export function tiesOf(
  checkpoint: Checkpoint,
  architecture: Architecture,
  { output, tiedTo: table }: HeadDesign,
  dtype: torch.DType,
): Ties {
  const { config } = checkpoint;
  const own = `${output}.weight`;
  const nameOf = (path: string) => checkpointNames(architecture, path).find((name) => checkpoint.has(name));
  const ownName = nameOf(own);
  if (table === undefined || ownName === undefined || !isTied(architecture, config)) {
    return { config, aliases: new Map() };
  }
  const tableName = nameOf(table);
  if (tableName === undefined) return { config, aliases: new Map([[table, own]]) };
  const read = (name: string) => castTo(checkpoint.readTensor(name), dtype);
  const isSame =
    torch.sameShape(checkpoint.info(ownName).shape, checkpoint.info(tableName).shape) &&
    torch.noGrad(() => torch.scope(() => torch.equal(read(ownName), read(tableName))));
  return { config: isSame ? config : { ...config, tie_word_embeddings: false }, aliases: new Map() };
}

function isTied(architecture: Architecture, config: JsonObject): boolean {
  return (architecture.parseConfig(config) as Partial<LanguageConfig>).tiesEmbeddings === true;
}
