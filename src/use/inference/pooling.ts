// Which pooling makes a model's embeddings, where the user may name one.

import { UsageError } from "../../base/index.js";
import { isSentenceTransformer, type Pooling, readEmbeddingFormat } from "../../formats/index.js";
import type { AdapterMetadata } from "../../models/adapters/index.js";
import type { NamedTask } from "../../tasks/index.js";

/** A model, the task that it is used for, and the bidora.json of its adapter or its folder. */
interface PooledModel extends NamedTask {
  readonly folder: string;
  readonly metadata: AdapterMetadata | undefined;
}

/**
 * The pooling that the user names, else the adapter's; undefined for the folder's own.
 * @throws UsageError for a pooling that has no effect, or another one than the adapter or the folder has
 */
export function poolingFor(
  asked: Pooling | undefined,
  { kind, task, folder, metadata }: PooledModel,
): Pooling | undefined {
  const trained = metadata?.pooling;
  if (asked === undefined) return trained;
  if (!task.embedding)
    throw new UsageError(`No effect: --pooling is for embedding, and the model is for ${kind}; leave it out.`);
  const own = trained ?? (isSentenceTransformer(folder) ? readEmbeddingFormat(folder).pooling : undefined);
  if (own === undefined || own === asked) return asked;
  const owner = trained ? "what the model was trained with" : `the modules of ${folder}`;
  throw new UsageError(`--pooling ${asked} contradicts ${owner}, ${own}: leave it out.`);
}
