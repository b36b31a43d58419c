/** How text is generated, and from which prompts. */

import {
  type AppliesWhen,
  choice,
  flagOf,
  type Given,
  inGroup,
  number,
  option,
  pick,
  text,
  texts,
  toggle,
  toggleOr,
  whole,
} from "../../../base/settings/index.js";
import { DRAFT_TOKENS, type GenerationSettings, SAMPLING_KEYS } from "../../../models/generation/index.js";
import { CACHE_DTYPES } from "../../../models/nn/index.js";
import { isNamedDataset, namedDatasets } from "../../datasets/namedDatasets.js";
import { baseModel, overwrite, session } from "./shared.js";
import { trainingOptions } from "./training.js";

const probability = number({ least: 0, most: 1 });

/** What a generator finds out about itself: its settings together with those in the model's folder. */
interface GeneratorFacts {
  readonly generation?: Pick<GenerationSettings, "sampling" | "beams">;
  readonly adapter?: string | undefined;
}

const withSampling: AppliesWhen = {
  only: `with ${SAMPLING_KEYS.map(flagOf).join(", ")}`,
  holds: ({ generation }: GeneratorFacts) => generation === undefined || generation.sampling !== undefined,
};

const withBeams: AppliesWhen = {
  only: "with --beams",
  holds: ({ generation }: GeneratorFacts) => generation === undefined || generation.beams !== undefined,
};

const withoutBeams: AppliesWhen = {
  only: "without --beams",
  holds: ({ generation }: GeneratorFacts) => generation === undefined || generation.beams === undefined,
};

const withDraft: AppliesWhen = {
  only: "with --draft",
  holds: ({ draft }: { readonly draft?: string | undefined }) => draft !== undefined,
};

const withAdapter: AppliesWhen = {
  only: "with --adapter",
  holds: ({ adapter }: GeneratorFacts) => adapter !== undefined,
};

export const generationOptions = {
  maxNewTokens: option(whole(1), {
    group: "Generation",
    help: "maximum number of tokens to generate",
    defaultText: "the model's, else 256",
  }),
  stop: option(texts("TEXT"), { group: "Generation", help: "stop at this string (repeatable)" }),
  greedy: option(toggle, {
    group: "Generation",
    help: "always take the most likely token; the default without a sampling option",
    default: false,
    advanced: true,
  }),
  repetitionPenalty: option(number({ above: 0 }), {
    group: "Generation",
    help: "above 1, makes tokens that have already occurred less likely",
    defaultText: "the model's, else 1",
  }),
  noRepeatNgram: option(whole(0), {
    group: "Generation",
    help: "never repeat a sequence of this many tokens; 0 allows any",
    defaultText: "the model's, else 0",
    advanced: true,
  }),
  draft: option(text("ngram|MODEL"), {
    group: "Generation",
    help: "propose several tokens, which the model checks at once; the text stays the same",
    defaultText: "none",
    appliesWhen: withoutBeams,
  }),
  draftTokens: option(whole(1), {
    group: "Generation",
    help: "maximum number of tokens to propose at once",
    default: DRAFT_TOKENS,
    advanced: true,
    appliesWhen: withDraft,
  }),
  cacheDtype: option(choice(CACHE_DTYPES), {
    group: "Generation",
    help: "dtype of the key-value cache: int8 takes half of bfloat16's memory, and is less exact",
    default: "auto",
    defaultText: "the model's",
    advanced: true,
  }),
  temperature: option(number({ above: 0 }), {
    group: "Sampling",
    help: "sample tokens at this temperature; below 1 favors likely ones",
    defaultText: "the model's, else 1",
  }),
  topK: option(whole(0), {
    group: "Sampling",
    help: "sample from this many of the most likely tokens; 0 for all",
    defaultText: "the model's, else 50",
  }),
  topP: option(probability, {
    group: "Sampling",
    help: "sample from the most likely tokens that together have this probability",
    defaultText: "the model's, else 1",
  }),
  minP: option(probability, {
    group: "Sampling",
    help: "sample from tokens with at least this share of the most likely one's probability",
    defaultText: "the model's, else all",
    advanced: true,
  }),
  seed: option(whole(0), {
    group: "Sampling",
    help: "seed for sampling",
    default: 0,
    advanced: true,
    appliesWhen: withSampling,
  }),
  beams: option(whole(1), {
    group: "Beams",
    help: "number of beams of a beam search",
    defaultText: "the model's, else 1",
  }),
  lengthPenalty: option(number(), {
    group: "Beams",
    help: "exponent of the length by which a beam's log-probability is divided",
    defaultText: "the model's, else 1",
    advanced: true,
    appliesWhen: withBeams,
  }),
  earlyStopping: option(toggleOr("never"), {
    group: "Beams",
    help: "end the beam search once as many texts have finished as there are beams; =never: only when no better one is possible",
    defaultText: "the model's, else off",
    advanced: true,
    appliesWhen: withBeams,
  }),
};

/** Reports on a data set may need generated texts. */
const withTexts: AppliesWhen = {
  only: "with a data set as --task that is scored on generated texts, such as e2e-nlg",
  holds: ({ task }: { readonly task?: string | undefined }) =>
    task !== undefined && isNamedDataset(task) && namedDatasets[task].texts === true,
};

/** How texts are generated where a model is evaluated by them. */
const evaluated = inGroup("Texts", pick(generationOptions, "maxNewTokens", "beams", "lengthPenalty", "noRepeatNgram"));

/** The same with a condition of the command that evaluates. */
export function evaluatedTexts(
  appliesWhen: AppliesWhen,
  others: { readonly advanced?: true; readonly rare?: true } = {},
) {
  return {
    maxNewTokens: { ...evaluated.maxNewTokens, ...others, appliesWhen },
    beams: { ...evaluated.beams, ...others, appliesWhen },
    lengthPenalty: { ...evaluated.lengthPenalty, ...others, appliesWhen },
    noRepeatNgram: { ...evaluated.noRepeatNgram, ...others, appliesWhen },
  };
}

/** A run's settings for the texts that it is evaluated by. */
export const textOptions = evaluatedTexts(withTexts, { advanced: true, rare: true });

export interface PromptSettings {
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  readonly chat?: boolean | undefined;
}

const withInput: AppliesWhen = {
  only: "with --input",
  holds: ({ input }: PromptSettings) => input !== undefined,
};

/** Which prompts `generate` gets, and where the texts go. */
const promptOptions = {
  prompt: option(text("TEXT"), { group: "Data", help: "the prompt, used as it is" }),
  input: option(text("FILE"), { group: "Data", help: "a file of rows, each with a prompt or messages" }),
  chat: option(toggle, { group: "Data", help: "chat in the terminal", default: false }),
  system: option(text("TEXT"), {
    group: "Data",
    help: "system message that --chat begins with",
    advanced: true,
    appliesWhen: { only: "with --chat", holds: ({ chat }: PromptSettings) => chat === true },
  }),
  output: option(text("FILE"), {
    group: "Output",
    help: "file for one JSON object per row, in the order of the rows",
    defaultText: "stdout",
    appliesWhen: withInput,
  }),
  overwrite: {
    ...overwrite.overwrite,
    appliesWhen: { only: "with --output", holds: ({ output }: PromptSettings) => output !== undefined },
  },
};

export const generateOptions = {
  ...baseModel,
  merge: option(toggle, {
    group: "Model",
    help: "merge the adapter into the weights first",
    default: false,
    appliesWhen: withAdapter,
  }),
  ...pick(promptOptions, "prompt", "input", "chat", "system"),
  batchSize: {
    ...trainingOptions.batchSize,
    group: "Data",
    help: "rows to generate at once",
    appliesWhen: withInput,
  },
  ...generationOptions,
  dtype: { ...trainingOptions.dtype, group: "Model" },
  baseDtype: { ...trainingOptions.baseDtype, group: "Model" },
  device: { ...trainingOptions.device, group: "Model" },
  threads: { ...trainingOptions.threads, group: "Model" },
  ...pick(promptOptions, "output", "overwrite"),
  ...session,
  json: {
    ...session.json,
    appliesWhen: { only: "without --chat", holds: ({ chat }: PromptSettings) => chat !== true },
  },
};

/** What `generate` takes: the flags of `bidora generate`, in camelCase. */
export type GenerateSettings = Given<typeof generateOptions>;
