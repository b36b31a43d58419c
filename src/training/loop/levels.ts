// What each level of a run with two levels trains.

import { UsageError } from "../../base/index.js";
import {
  type AdaptedModel,
  isInGroup,
  kindAndLayer,
  scaleFactors,
  type TensorGroup,
  type TrainedTensor,
  trainScales,
} from "../../models/adapters/index.js";
import { type LevelSettings, type UpperGroup, upperOf } from "../../tasks/config/index.js";
import { GroupDecays } from "../steps/groupDecays.js";
import type { SourceWeights } from "../steps/sourceWeights.js";

/** The tensors of a run with two levels. */
export interface TwoLevels {
  readonly group: UpperGroup;
  readonly lower: readonly TrainedTensor[];
  readonly upper: readonly TrainedTensor[];
  /** Those of the upper level that belong to the run and not to its model. */
  readonly own: readonly TrainedTensor[];
  /** The weights of the lower level's rows, if the upper level trains them. */
  readonly sourceWeights?: SourceWeights | undefined;
  /** The lower level's weight decays, if the upper level trains them. */
  readonly decays?: GroupDecays | undefined;
  /** What they are worth, by name, for the run's log and its side file; undefined for tensors of the model. */
  readonly values?: (() => Readonly<Record<string, number>>) | undefined;
}

interface LevelsOptions {
  readonly adapted: AdaptedModel;
  /** The paths of the modules of the task's head. */
  readonly headModules: readonly string[];
  /** The weights of the training rows' sources, for `sources`. */
  readonly sourceWeights?: SourceWeights | undefined;
  /** The weight decay from which those of groups start, for `decay`. */
  readonly weightDecay?: number | undefined;
}

/**
 * The levels of a run; undefined if it has one.
 * @throws UsageError if a level has no tensors, or for a weight decay of an upper level without any
 */
export function levelsOf(
  run: LevelSettings & { readonly upperWeightDecay?: number | undefined },
  options: LevelsOptions,
): TwoLevels | undefined {
  const group = upperOf(run);
  if (group === undefined) return undefined;
  const levels = levelsWith(group, run, options);
  const { upperWeightDecay = 0 } = run;
  if (upperWeightDecay === 0 || levels.upper.some(({ decays }) => decays)) return levels;
  throw new UsageError(
    `No effect: --upper-weight-decay ${upperWeightDecay} is not applied to ${group}, as biases and norm weights have none; leave it out.`,
  );
}

function levelsWith(group: UpperGroup, run: LevelSettings, options: LevelsOptions): TwoLevels {
  if (group === "scales") return withScales(options.adapted);
  const { trained } = options.adapted;
  if (group === "sources") return weightsAbove(trained, options);
  if (group === "decay") return decaysAbove(run, options);
  const isUpper = (tensor: TrainedTensor) => isInGroup(group as TensorGroup, tensor, options);
  const [upper, lower] = [trained.filter(isUpper), trained.filter((tensor) => !isUpper(tensor))];
  const what = `--upper ${group} does not go with --method ${run.method} here`;
  if (upper.length === 0)
    throw new UsageError(`${what}: this model has no such tensors that are trained; choose another group.`);
  if (lower.length === 0)
    throw new UsageError(`${what}: nothing is left for the lower level to train; choose another group.`);
  return { group, lower, upper, own: [] };
}

/** All that the method trains below, and a factor of each low-rank update above. */
function withScales(adapted: AdaptedModel): TwoLevels {
  if (adapted.modules.some(({ adapter }) => adapter.lowRank?.removed))
    throw new UsageError(
      "--upper scales does not go with a start that takes a part out of the base (pissa, olora, lora-ga): a file has one scale for both; choose another group or start.",
    );
  const upper = trainScales(adapted);
  const values = () => Object.fromEntries(scaleFactors(adapted));
  return { group: "scales", lower: adapted.trained, upper, own: upper, values };
}

function decaysAbove({ method }: LevelSettings, { adapted, headModules, weightDecay }: LevelsOptions): TwoLevels {
  if (weightDecay === undefined) throw new TypeError("--upper decay needs a weight decay to start from.");
  const { trained: lower } = adapted;
  const decays = new GroupDecays(lower, (tensor) => kindAndLayer(tensor, { adapted, headModules }), weightDecay);
  const own = [decays.logs];
  if (decays.groups.length > 0)
    return { group: "decay", lower, upper: own, own, decays, values: () => decays.values() };
  throw new UsageError(
    `--upper decay does not go with --method ${method} here: nothing that is trained has a weight decay; choose another group.`,
  );
}

function weightsAbove(lower: readonly TrainedTensor[], { sourceWeights }: LevelsOptions): TwoLevels {
  if (!sourceWeights) throw new TypeError("--upper sources needs the weights of the sources.");
  const own = [sourceWeights.logits];
  return { group: "sources", lower, upper: own, own, sourceWeights, values: () => sourceWeights.values() };
}
