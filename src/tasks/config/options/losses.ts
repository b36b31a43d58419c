/** What a task minimizes, and the settings of losses. */

import { type AppliesWhen, alternatives, choice, group, number } from "../../../base/settings/index.js";
import { EMBEDDING_LOSSES, type EmbeddingLossName } from "../../embedding/losses.js";
import {
  type LossSettings,
  PREFERENCE_LOSSES,
  type PreferenceLossName,
  preferenceLossNames,
} from "../../preference/losses.js";
import { RERANKING_LOSSES, type RerankingLossName } from "../../reranking/losses.js";

const training = group("Training");

/** The losses of each task that has several. */
const LOSSES: Readonly<Record<string, Readonly<Partial<Record<LossName, object>>>>> = {
  embedding: EMBEDDING_LOSSES,
  reranking: RERANKING_LOSSES,
  preference: PREFERENCE_LOSSES,
};

/** The name of a loss for `--loss`. */
type LossName = EmbeddingLossName | RerankingLossName | PreferenceLossName;

/** With one of these tasks. A task that is not named may be one. */
const withTasks = (tasks: readonly string[]): AppliesWhen => ({
  only: `with --task ${alternatives(tasks)}`,
  holds: ({ task }: { readonly task?: string | undefined }) => task === undefined || tasks.includes(task),
});

const names = [...new Set(Object.values(LOSSES).flatMap((losses) => Object.keys(losses)))] as LossName[];

const tasksWith = (name: LossName): string[] =>
  Object.entries(LOSSES).flatMap(([task, losses]) => (Object.hasOwn(losses, name) ? [task] : []));

/** The settings that the conditions below read. */
interface LossValues {
  readonly task?: string | undefined;
  readonly loss?: LossName | undefined;
}

/** With the losses of preferences that use a setting. */
function ofLosses(setting: keyof LossSettings): AppliesWhen {
  const names = preferenceLossNames.filter((name) =>
    (PREFERENCE_LOSSES[name].uses as readonly string[]).includes(setting),
  );
  const isOfAll = names.length === preferenceLossNames.length;
  return {
    only: `with --task preference${isOfAll ? "" : ` and --loss ${alternatives(names)}`}`,
    holds: ({ task, loss = "sigmoid" }: LossValues) =>
      (task === undefined || task === "preference") && (names as readonly string[]).includes(loss),
  };
}

const weight = number({ least: 0 });

export const lossOptions = {
  loss: training.advanced(choice(names), "what a task minimizes, where it has a choice", {
    placeholder: "NAME",
    defaultText:
      "embedding: multiple-negatives-ranking, or cosent for rows with scores; reranking: binary-cross-entropy, or listwise for rows with negatives; preference: sigmoid",
    appliesWhen: withTasks(Object.keys(LOSSES)),
    valueAppliesWhen: Object.fromEntries(names.map((name) => [name, withTasks(tasksWith(name))])),
  }),
  beta: training.rare(
    number({ above: 0 }),
    "β of losses of preferences: how strongly the model is held to where it started",
    {
      defaultText: "0.1",
      appliesWhen: ofLosses("beta"),
    },
  ),
  labelSmoothing: training.rare(
    number({ least: 0, below: 0.5 }),
    "ε of --loss robust: the share of pairs whose order is wrong",
    {
      defaultText: "0",
      appliesWhen: ofLosses("labelSmoothing"),
    },
  ),
  gamma: training.rare(number({ least: 0 }), "γ of --loss simpo: by how much the chosen answer should lead", {
    defaultText: "0.5",
    appliesWhen: ofLosses("gamma"),
  }),
  nllWeight: training.rare(weight, "weight of the chosen answers' mean negative log-likelihood, which is added", {
    defaultText: "cpo: 1; simpo: 0",
    appliesWhen: ofLosses("nllWeight"),
  }),
  desirableWeight: training.rare(weight, "weight of good completions with --loss kto", {
    defaultText: "1",
    appliesWhen: ofLosses("desirableWeight"),
  }),
  undesirableWeight: training.rare(weight, "weight of bad completions with --loss kto", {
    defaultText: "1",
    appliesWhen: ofLosses("undesirableWeight"),
  }),
  centerRewards: training.rare(weight, "weight of the squared sum of both rewards, which keeps rewards around 0", {
    defaultText: "0",
    appliesWhen: withTasks(["reward"]),
  }),
};
