// Losses of preferences, each as TRL 1.16 defines it. Shapes: B rows.
//
// log p is the sum of an answer's log-probabilities, n its number of tokens; c and r are log p of the chosen and the rejected answer minus
// that of the reference, d = c − r; s is the sigmoid, ls its logarithm.

import * as torch from "../../torch/index.js";

type Tensor = torch.Tensor;

/** The settings of all losses. */
export interface PreferenceSettings {
  readonly loss?: PreferenceLossName | undefined;
  /** β: how strongly the reference holds. */
  readonly beta?: number | undefined;
  /** ε, the share of wrong labels, of `robust`. */
  readonly labelSmoothing?: number | undefined;
  /** γ, the margin of `simpo`. */
  readonly gamma?: number | undefined;
  /** The weight of the chosen answer's negative log-likelihood in `cpo` and `simpo`. */
  readonly nllWeight?: number | undefined;
  /** The weights of good and of bad completions in `kto`. */
  readonly desirableWeight?: number | undefined;
  readonly undesirableWeight?: number | undefined;
}

/** The same, with defaults. */
export type LossSettings = { readonly [K in Exclude<keyof PreferenceSettings, "loss">]-?: number };

/** The settings of a run that trains a reward model. */
export interface RewardSettings {
  /** The weight of (s_c + s_r)², which keeps rewards around 0 (Eisenstein et al., arXiv 2312.09244). */
  readonly centerRewards?: number | undefined;
}

/** What a loss is computed from, [B] each. */
export interface Scores {
  /** log p of the chosen answer, minus the reference's for losses with one. For `kto` of each completion. */
  readonly chosen: Tensor;
  readonly rejected: Tensor;
  /** The numbers of tokens. */
  readonly chosenTokens: Tensor;
  readonly rejectedTokens: Tensor;
  /** 1 for good completions, 0 for bad ones, of `kto`. */
  readonly isGood: Tensor;
  /** An estimate of the distance from the reference, of `kto`. */
  readonly kl: number;
}

export interface PreferenceLoss {
  /** Whether it compares with the model before training. */
  readonly hasReference: boolean;
  /** Whether rows are single completions with a label. */
  readonly takesCompletions?: true;
  /** The settings that it uses. */
  readonly uses: readonly (keyof LossSettings)[];
  /** The weight of the mean negative log-likelihood per token that is added: of the chosen answer, or of prompt and chosen answer. */
  readonly likelihood?: { readonly weight: (settings: LossSettings) => number; readonly includesPrompt: boolean };
  /** [B] */
  of(scores: Scores, settings: LossSettings): Tensor;
}

const scaled = torch.mulScalar;
const plus = torch.addScalar;

/** −ls(x) */
const softplusOfMinus = (x: Tensor): Tensor => torch.neg(torch.logSigmoid(x));

const difference = ({ chosen, rejected }: Scores): Tensor => torch.sub(chosen, rejected);

/** c / n_c − r / n_r */
const differenceOfMeans = ({ chosen, rejected, chosenTokens, rejectedTokens }: Scores): Tensor =>
  torch.sub(torch.div(chosen, chosenTokens), torch.div(rejected, rejectedTokens));

/** log-odds of a mean log-probability: a − log(1 − exp a) */
function logOdds(mean: Tensor): Tensor {
  return torch.sub(mean, torch.log(torch.neg(torch.expm1(mean))));
}

/** log-odds(a_c) − log-odds(a_r) */
export const logOddsRatio = ({ chosen, rejected, chosenTokens, rejectedTokens }: Scores): Tensor =>
  torch.sub(logOdds(torch.div(chosen, chosenTokens)), logOdds(torch.div(rejected, rejectedTokens)));

function robust(scores: Scores, { beta, labelSmoothing: noise }: LossSettings): Tensor {
  const margin = scaled(difference(scores), beta);
  const clean = scaled(softplusOfMinus(margin), 1 - noise);
  const flipped = scaled(softplusOfMinus(torch.neg(margin)), noise);
  return torch.divScalar(torch.sub(clean, flipped), 1 - 2 * noise);
}

function kto({ chosen, isGood, kl }: Scores, { beta, desirableWeight, undesirableWeight }: LossSettings): Tensor {
  const above = scaled(plus(chosen, -kl), beta);
  const ofGood = scaled(torch.sigmoid(torch.neg(above)), desirableWeight);
  const ofBad = scaled(torch.sigmoid(above), undesirableWeight);
  return torch.add(torch.mul(ofGood, isGood), torch.mul(ofBad, plus(torch.neg(isGood), 1)));
}

/** The name of a loss of preferences. */
export type PreferenceLossName =
  | "sigmoid"
  | "hinge"
  | "ipo"
  | "robust"
  | "sigmoid-norm"
  | "sppo"
  | "apo-zero"
  | "apo-down"
  | "kto"
  | "orpo"
  | "cpo"
  | "simpo";

/** Every loss by its name for `--loss`. */
export const PREFERENCE_LOSSES: Readonly<Record<PreferenceLossName, PreferenceLoss>> = {
  /** Direct preference optimization (arXiv 2305.18290), equation 7. */
  sigmoid: {
    hasReference: true,
    uses: ["beta"],
    of: (scores, { beta }) => softplusOfMinus(scaled(difference(scores), beta)),
  },
  /** SLiC (arXiv 2305.10425). */
  hinge: {
    hasReference: true,
    uses: ["beta"],
    of: (scores, { beta }) => torch.relu(plus(scaled(difference(scores), -beta), 1)),
  },
  /** IPO (arXiv 2310.12036), equation 17, of means over tokens. */
  ipo: {
    hasReference: true,
    uses: ["beta"],
    of: (scores, { beta }) => torch.square(plus(differenceOfMeans(scores), -1 / (2 * beta))),
  },
  /** Robust DPO (arXiv 2403.00409). */
  robust: { hasReference: true, uses: ["beta", "labelSmoothing"], of: robust },
  /** DPO of means over tokens. */
  "sigmoid-norm": {
    hasReference: true,
    uses: ["beta"],
    of: (scores, { beta }) => softplusOfMinus(scaled(differenceOfMeans(scores), beta)),
  },
  /** SPPO (arXiv 2405.00675), algorithm 1, with hard probabilities. */
  sppo: {
    hasReference: true,
    uses: ["beta"],
    of: ({ chosen, rejected }, { beta }) =>
      torch.add(torch.square(plus(chosen, -0.5 / beta)), torch.square(plus(rejected, 0.5 / beta))),
  },
  /** APO (arXiv 2408.06266), equation 7. */
  "apo-zero": {
    hasReference: true,
    uses: ["beta"],
    of: ({ chosen, rejected }, { beta }) =>
      torch.add(torch.sigmoid(scaled(chosen, -beta)), torch.sigmoid(scaled(rejected, beta))),
  },
  /** APO, equation 8. */
  "apo-down": {
    hasReference: true,
    uses: ["beta"],
    of: (scores, { beta }) =>
      torch.add(torch.sigmoid(scaled(scores.chosen, beta)), torch.sigmoid(scaled(difference(scores), -beta))),
  },
  /** KTO (arXiv 2402.01306), equations 7 and 8. */
  kto: {
    hasReference: true,
    takesCompletions: true,
    uses: ["beta", "desirableWeight", "undesirableWeight"],
    of: kto,
  },
  /** ORPO (arXiv 2403.07691), equations 6 and 7. */
  orpo: {
    hasReference: false,
    uses: ["beta"],
    likelihood: { weight: () => 1, includesPrompt: true },
    of: (scores, { beta }) => scaled(softplusOfMinus(logOddsRatio(scores)), beta),
  },
  /** CPO (arXiv 2401.08417), equation 3. */
  cpo: {
    hasReference: false,
    uses: ["beta", "nllWeight"],
    likelihood: { weight: ({ nllWeight }) => nllWeight, includesPrompt: false },
    of: (scores, { beta }) => softplusOfMinus(scaled(difference(scores), beta)),
  },
  /** SimPO (arXiv 2405.14734), equation 6. */
  simpo: {
    hasReference: false,
    uses: ["beta", "gamma", "nllWeight"],
    likelihood: { weight: ({ nllWeight }) => nllWeight, includesPrompt: false },
    of: (scores, { beta, gamma }) => softplusOfMinus(plus(scaled(differenceOfMeans(scores), beta), -gamma)),
  },
};

export const preferenceLossNames = Object.keys(PREFERENCE_LOSSES) as readonly PreferenceLossName[];

/** The settings of a loss, with defaults. */
export const lossSettings = (given: PreferenceSettings): LossSettings => ({
  beta: given.beta ?? 0.1,
  labelSmoothing: given.labelSmoothing ?? 0,
  gamma: given.gamma ?? 0.5,
  nllWeight: given.nllWeight ?? (given.loss === "simpo" ? 0 : 1),
  desirableWeight: given.desirableWeight ?? 1,
  undesirableWeight: given.undesirableWeight ?? 1,
});
