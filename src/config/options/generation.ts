import { number, option, texts, toggle, toggleOr, whole } from "../option.js";

const probability = number({ least: 0, most: 1 });

/** How a model goes on from a prompt. */
export const generationOptions = {
  maxNewTokens: option(whole(1), {
    group: "Generation",
    help: "tokens after a prompt, at most",
    defaultText: "the model's, else 256",
  }),
  stop: option(texts("TEXT"), { group: "Generation", help: "a text that ends a continuation, several times several" }),
  greedy: option(toggle, {
    group: "Generation",
    help: "the likeliest token each time: what is done where nothing else is asked for",
    default: false,
    advanced: true,
  }),
  repetitionPenalty: option(number({ above: 0 }), {
    group: "Generation",
    help: "above 1, tokens that were there are less likely",
    defaultText: "the model's, else 1",
  }),
  noRepeatNgram: option(whole(0), {
    group: "Generation",
    help: "no sequence of so many tokens comes twice; 0 for no limit",
    defaultText: "the model's, else 0",
    advanced: true,
  }),
  temperature: option(number({ above: 0 }), {
    group: "Sampling",
    help: "draws tokens; below 1 likely ones more often",
    defaultText: "the model's, else 1",
  }),
  topK: option(whole(0), {
    group: "Sampling",
    help: "draws from so many tokens, the likeliest; 0 for all",
    defaultText: "the model's, else 50",
  }),
  topP: option(probability, {
    group: "Sampling",
    help: "draws from the likeliest that together have this probability",
    defaultText: "the model's, else 1",
  }),
  minP: option(probability, {
    group: "Sampling",
    help: "draws from those with this share of the likeliest one's probability",
    defaultText: "the model's, else all",
    advanced: true,
  }),
  seed: option(whole(0), { group: "Sampling", help: "of what is drawn", default: 0, advanced: true }),
  beams: option(whole(1), {
    group: "Beams",
    help: "continuations that are gone on with at once, to give the best",
    defaultText: "the model's, else 1",
  }),
  lengthPenalty: option(number(), {
    group: "Beams",
    help: "log-probabilities are divided by the length to this power",
    defaultText: "the model's, else 1",
    advanced: true,
  }),
  earlyStopping: option(toggleOr("never"), {
    group: "Beams",
    help: "ends with as many finished continuations as beams; =never: when none better is possible",
    defaultText: "the model's, else off",
    advanced: true,
  }),
};
