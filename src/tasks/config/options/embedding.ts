/** How a model learns to embed texts. */

import { type AppliesWhen, alternatives, choice, group, number, whole, wholes } from "../../../base/settings/index.js";
import { POOLINGS } from "../../../formats/index.js";
import { EMBEDDING_LOSSES, type EmbeddingLossName } from "../../embedding/losses.js";

const training = group("Training");

/** The settings that the conditions below read. */
interface EmbeddingValues {
  readonly task?: string | undefined;
  readonly loss?: string | undefined;
  readonly batchSize?: number | undefined;
  readonly miniBatchSize?: number | undefined;
}

/** With embeddings, and where `holds` is true as well. A task that is not named may be this one. */
function withEmbeddings(only = "", holds: (run: EmbeddingValues) => boolean = () => true): AppliesWhen {
  return {
    only: `with --task embedding${only}`,
    holds: (run: EmbeddingValues) => (run.task === undefined || run.task === "embedding") && holds(run),
  };
}

const withTemperature = Object.keys(EMBEDDING_LOSSES).filter(
  (name) => EMBEDDING_LOSSES[name as EmbeddingLossName].usesTemperature,
);

export const embeddingOptions = {
  temperature: training.rare(number({ above: 0 }), "what cosines are divided by in the loss: 1 / scale", {
    defaultText: "0.05",
    appliesWhen: withEmbeddings(
      ` and --loss ${alternatives(withTemperature)}`,
      ({ loss }) => loss === undefined || withTemperature.some((name) => name === loss),
    ),
  }),
  pooling: training.rare(
    choice(POOLINGS),
    "how the states of a text's tokens become its embedding: their mean, the first one, the last one",
    { defaultText: "the model folder's own, or mean", appliesWhen: withEmbeddings() },
  ),
  matryoshka: training.rare(
    wholes,
    "train embeddings that can be cut to these numbers of values: the loss is the sum over them",
    { defaultText: "none", appliesWhen: withEmbeddings() },
  ),
  miniBatchSize: training.rare(
    whole(1),
    "rows of a batch in memory at a time (GradCache), with the gradient of the whole batch",
    {
      defaultText: "all",
      appliesWhen: withEmbeddings(
        " and a larger --batch-size",
        ({ batchSize, miniBatchSize }) => (miniBatchSize ?? 0) < (batchSize ?? Number.POSITIVE_INFINITY),
      ),
    },
  ),
};
