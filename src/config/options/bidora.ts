import {
  withDerivative,
  withEstimators,
  withMethods,
  withoutFolds,
  withoutRetrainSteps,
  withRetraining,
} from "../conditions.js";
import { estimatorNames, estimatorsWith } from "../estimators.js";
import { choice, choiceOrNumber, number, option, toggle, whole } from "../option.js";

const bilevel = withMethods("bidora");

/** BiDoRA's search and retraining. */
export const bidoraOptions = {
  hypergradient: option(choice(estimatorNames), {
    group: "BiDoRA",
    help: "how the upper level's gradient is estimated",
    placeholder: "NAME",
    default: "exact",
    acts: bilevel,
  }),
  searchFraction: option(number({ above: 0, below: 1 }), {
    group: "BiDoRA",
    help: "share of the rows for the lower level",
    default: 0.8,
    advanced: true,
    acts: withoutFolds,
  }),
  searchFolds: option(whole(2), {
    group: "BiDoRA",
    help: "split the rows into so many folds, each the upper level's for its share of the search's steps, the others the lower level's",
    placeholder: "K",
    defaultText: "off",
    advanced: true,
    acts: bilevel,
  }),
  searchPatience: option(whole(1), {
    group: "BiDoRA",
    help: "end the search after so many passes over the upper rows without a lower mean loss, and take its best",
    defaultText: "off",
    advanced: true,
    acts: withoutFolds,
  }),
  retrainSteps: option(whole(0), {
    group: "BiDoRA",
    help: "of the retrain phase; 0 skips it",
    defaultText: "as the search",
    advanced: true,
    acts: bilevel,
  }),
  retrainEpochs: option(number({ least: 0 }), {
    group: "BiDoRA",
    help: "passes of the retrain phase",
    defaultText: "as the search",
    advanced: true,
    acts: withoutRetrainSteps,
  }),
  retrainLearningRate: option(number({ least: 0 }), {
    group: "BiDoRA",
    help: "peak rate of the retrain phase",
    defaultText: "as the search",
    advanced: true,
    acts: withRetraining,
  }),
  warmStart: option(toggle, {
    group: "BiDoRA",
    help: "retrain from the directions and head that the search ended with, not from the pretrained start",
    default: false,
    advanced: true,
    acts: withRetraining,
  }),
  upperLearningRate: option(number({ least: 0 }), {
    group: "BiDoRA",
    help: "peak rate of the magnitudes",
    defaultText: "as lower",
    advanced: true,
    acts: bilevel,
  }),
  upperWeightDecay: option(number({ least: 0 }), {
    group: "BiDoRA",
    help: "the optimiser's decay on the magnitudes",
    default: 0,
    advanced: true,
    acts: bilevel,
  }),
  xi: option(choiceOrNumber(["learning-rate", "optimizer"]), {
    group: "BiDoRA",
    help: "step size in the second term: the lower rate, the true derivative of the optimiser's step, or a number",
    default: "learning-rate",
    advanced: true,
    acts: withEstimators("usesXi"),
    wordActs: { optimizer: withDerivative },
  }),
  unrollSteps: option(whole(1), {
    group: "BiDoRA",
    help: "lower steps in a search step",
    default: 1,
    advanced: true,
    acts: bilevel,
  }),
  hypergradientTerms: option(whole(1), {
    group: "BiDoRA",
    help: `terms or iterations of ${estimatorsWith("usesTerms").join(" and ")}`,
    default: 5,
    advanced: true,
    acts: withEstimators("usesTerms"),
  }),
  regularizer: option(number({ least: 0 }), {
    group: "BiDoRA",
    help: "weight of the orthogonality of direction columns",
    default: 1e-5,
    advanced: true,
    acts: bilevel,
  }),
};
