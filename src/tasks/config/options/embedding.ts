/** How a model learns to embed texts. */

import { type AppliesWhen, alternatives, choice, number, option, whole, wholes } from "../../../base/settings/index.js";
import { POOLINGS } from "../../../formats/index.js";
import { EMBEDDING_LOSSES } from "../../embedding/losses.js";
import { embeddingLossNames } from "../../embedding/settings.js";
import type { EmbeddingLossName } from "../../index.js";

/** The settings that the conditions below read. */
interface EmbeddingValues {
  readonly task?: string | undefined;
  readonly loss?: EmbeddingLossName | undefined;
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

const withTemperature = embeddingLossNames.filter((name) => EMBEDDING_LOSSES[name].usesTemperature);

export const embeddingOptions = {
  loss: option(choice(embeddingLossNames), {
    group: "Training",
    help: "loss of embeddings, as sentence-transformers defines it",
    placeholder: "NAME",
    defaultText: "multiple-negatives-ranking, or cosent for rows with scores",
    advanced: true,
    appliesWhen: withEmbeddings(),
  }),
  temperature: option(number({ above: 0 }), {
    group: "Training",
    help: "what cosines are divided by in the loss: 1 / scale",
    defaultText: "0.05",
    advanced: true,
    rare: true,
    appliesWhen: withEmbeddings(
      ` and --loss ${alternatives(withTemperature)}`,
      ({ loss }) => loss === undefined || withTemperature.includes(loss),
    ),
  }),
  pooling: option(choice(POOLINGS), {
    group: "Training",
    help: "how the states of a text's tokens become its embedding: their mean, the first one, the last one",
    defaultText: "the model folder's own, or mean",
    advanced: true,
    rare: true,
    appliesWhen: withEmbeddings(),
  }),
  matryoshka: option(wholes, {
    group: "Training",
    help: "train embeddings that can be cut to these numbers of values: the loss is the sum over them",
    defaultText: "none",
    advanced: true,
    rare: true,
    appliesWhen: withEmbeddings(),
  }),
  miniBatchSize: option(whole(1), {
    group: "Training",
    help: "rows of a batch in memory at a time (GradCache), with the gradient of the whole batch",
    defaultText: "all",
    advanced: true,
    rare: true,
    appliesWhen: withEmbeddings(
      " and a larger --batch-size",
      ({ batchSize, miniBatchSize }) => (miniBatchSize ?? 0) < (batchSize ?? Number.POSITIVE_INFINITY),
    ),
  }),
};
