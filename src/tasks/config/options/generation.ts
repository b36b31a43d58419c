/** How text is generated, and from which prompts. */

import {
  type AppliesWhen,
  allApplyWhen,
  asRare,
  choice,
  flagOf,
  type Given,
  group,
  inGroup,
  number,
  pick,
  text,
  texts,
  toggle,
  toggleOr,
  whenGiven,
  whole,
} from "../../../base/settings/index.js";
import { DRAFT_TOKENS, type GenerationSettings, SAMPLING_KEYS } from "../../../models/generation/index.js";
import { CACHE_DTYPES } from "../../../models/nn/index.js";
import { isNamedDataset, namedDatasets } from "../../datasets/namedDatasets.js";
import { baseModel, conversations, overwrite, session } from "./shared.js";
import { trainingOptions } from "./training.js";

const beams = group("Beams");
const data = group("Data");
const generation = group("Generation");
const model = group("Model");
const output = group("Output");
const sampling = group("Sampling");

const probability = number({ least: 0, most: 1 });

/** What a generator finds out about itself: its settings together with those in the model's folder. */
interface GeneratorFacts {
  readonly generation?: Pick<GenerationSettings, "sampling" | "beams">;
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

export const generationOptions = {
  maxNewTokens: generation(whole(1), "maximum number of tokens to generate", { defaultText: "the model's, else 256" }),
  stop: generation(texts("TEXT"), "stop at this string (repeatable)"),
  greedy: generation.advanced(toggle, "always take the most likely token; the default without a sampling option", {
    default: false,
  }),
  repetitionPenalty: generation(number({ above: 0 }), "above 1, makes tokens that have already occurred less likely", {
    defaultText: "the model's, else 1",
  }),
  noRepeatNgram: generation.advanced(whole(0), "never repeat a sequence of this many tokens; 0 allows any", {
    defaultText: "the model's, else 0",
  }),
  draft: generation(
    text("ngram|MODEL"),
    "propose several tokens, which the model checks at once; the text stays the same",
    { defaultText: "none", appliesWhen: withoutBeams },
  ),
  draftTokens: generation.advanced(whole(1), "maximum number of tokens to propose at once", {
    default: DRAFT_TOKENS,
    appliesWhen: whenGiven("draft"),
  }),
  cacheDtype: generation.advanced(
    choice(CACHE_DTYPES),
    "dtype of the key-value cache: int8 takes half of bfloat16's memory, and is less exact",
    { default: "auto", defaultText: "the model's" },
  ),
  temperature: sampling(number({ above: 0 }), "sample tokens at this temperature; below 1 favors likely ones", {
    defaultText: "the model's, else 1",
  }),
  topK: sampling(whole(0), "sample from this many of the most likely tokens; 0 for all", {
    defaultText: "the model's, else 50",
  }),
  topP: sampling(probability, "sample from the most likely tokens that together have this probability", {
    defaultText: "the model's, else 1",
  }),
  minP: sampling.advanced(
    probability,
    "sample from tokens with at least this share of the most likely one's probability",
    { defaultText: "the model's, else all" },
  ),
  seed: sampling.advanced(whole(0), "seed for sampling", { default: 0, appliesWhen: withSampling }),
  beams: beams(whole(1), "number of beams of a beam search", { defaultText: "the model's, else 1" }),
  lengthPenalty: beams.advanced(number(), "exponent of the length by which a beam's log-probability is divided", {
    defaultText: "the model's, else 1",
    appliesWhen: withBeams,
  }),
  earlyStopping: beams.advanced(
    toggleOr("never"),
    "end the beam search once as many texts have finished as there are beams; =never: only when no better one is possible",
    { defaultText: "the model's, else off", appliesWhen: withBeams },
  ),
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
export const evaluatedTexts = (appliesWhen: AppliesWhen) => allApplyWhen(appliesWhen, evaluated);

/** A run's settings for the texts that it is evaluated by. */
export const textOptions = asRare(evaluatedTexts(withTexts));

/** Whether `generate` chats in the terminal. */
type ChatSettings = { readonly chat?: boolean | undefined };

export const generateOptions = {
  ...baseModel,
  ...conversations,
  merge: model(toggle, "merge the adapter into the weights first", {
    default: false,
    appliesWhen: whenGiven("adapter"),
  }),
  prompt: data(text("TEXT"), "the prompt, used as it is"),
  input: data(text("FILE"), "a file of rows, each with a prompt or messages"),
  chat: data(toggle, "chat in the terminal", { default: false }),
  system: data.advanced(text("TEXT"), "system message that --chat begins with", {
    appliesWhen: { only: "with --chat", holds: ({ chat }: ChatSettings) => chat === true },
  }),
  batchSize: {
    ...trainingOptions.batchSize,
    group: "Data",
    help: "rows to generate at once",
    appliesWhen: whenGiven("input"),
  },
  ...generationOptions,
  ...inGroup("Model", pick(trainingOptions, "dtype", "baseDtype", "device", "threads")),
  output: output(text("FILE"), "file for one JSON object per row, in the order of the rows", {
    defaultText: "stdout",
    appliesWhen: whenGiven("input"),
  }),
  ...allApplyWhen(whenGiven("output"), overwrite),
  ...session,
  json: {
    ...session.json,
    appliesWhen: { only: "without --chat", holds: ({ chat }: ChatSettings) => chat !== true },
  },
};

/** What `generate` takes: the flags of `bidora generate`, in camelCase. */
export type GenerateSettings = Given<typeof generateOptions>;
