/** Which loss a run minimizes, for tasks that have several. */

import { type AppliesWhen, alternatives, choice } from "../../../base/settings/index.js";
import { EMBEDDING_LOSSES, type EmbeddingLossName } from "../../embedding/losses.js";
import { RERANKING_LOSSES, type RerankingLossName } from "../../reranking/losses.js";
import { group } from "./group.js";

/** The losses of each task that has several. */
const LOSSES: Readonly<Record<string, Readonly<Partial<Record<LossName, object>>>>> = {
  embedding: EMBEDDING_LOSSES,
  reranking: RERANKING_LOSSES,
};

/** The name of a loss for `--loss`. */
type LossName = EmbeddingLossName | RerankingLossName;

/** With one of these tasks. A task that is not named may be one. */
const withTasks = (tasks: readonly string[]): AppliesWhen => ({
  only: `with --task ${alternatives(tasks)}`,
  holds: ({ task }: { readonly task?: string | undefined }) => task === undefined || tasks.includes(task),
});

const names = [...new Set(Object.values(LOSSES).flatMap((losses) => Object.keys(losses)))] as LossName[];

const tasksWith = (name: LossName): string[] =>
  Object.entries(LOSSES).flatMap(([task, losses]) => (Object.hasOwn(losses, name) ? [task] : []));

export const lossOptions = {
  loss: group("Training").advanced(choice(names), "loss, as sentence-transformers defines it", {
    placeholder: "NAME",
    defaultText:
      "embedding: multiple-negatives-ranking, or cosent for rows with scores; reranking: binary-cross-entropy, or listwise for rows with negatives",
    appliesWhen: withTasks(Object.keys(LOSSES)),
    valueAppliesWhen: Object.fromEntries(names.map((name) => [name, withTasks(tasksWith(name))])),
  }),
};
