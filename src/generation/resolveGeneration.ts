import { BidoraError } from "../common/errors.js";
import type { GenerationConfig } from "./generationConfig.js";
import type { GenerationSettings, SamplingSettings } from "./settings.js";

/** What can be asked for; the model's own files settle what is left open. */
export interface GenerationWishes {
  readonly maxNewTokens?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  readonly greedy?: boolean | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly noRepeatNgram?: number | undefined;
  readonly temperature?: number | undefined;
  readonly topK?: number | undefined;
  readonly topP?: number | undefined;
  readonly minP?: number | undefined;
  readonly beams?: number | undefined;
  readonly lengthPenalty?: number | undefined;
  readonly earlyStopping?: boolean | "never" | undefined;
}

/** Each of them turns sampling on. */
export const SAMPLING_KEYS = ["temperature", "topK", "topP", "minP"] as const satisfies (keyof GenerationWishes)[];

/** As transformers has it where nothing else is said. */
const TOP_K = 50;

/** Tokens after a prompt where nothing is said. */
const NEW_TOKENS = 256;

/**
 * How a model goes on from prompts, from what is asked for and what its own files say.
 * @throws BidoraError `CONFIG` for a way of drawing that the model's files have, and this program does not
 */
export function resolveGeneration(wishes: GenerationWishes, own: GenerationConfig): GenerationSettings {
  const samples = SAMPLING_KEYS.some((key) => wishes[key] !== undefined);
  const beams = wishes.greedy ? 1 : (wishes.beams ?? own.num_beams ?? 1);
  return {
    endTokens: own.eos_token_id ?? [],
    repetitionPenalty: wishes.repetitionPenalty ?? own.repetition_penalty ?? 1,
    noRepeatNgram: wishes.noRepeatNgram ?? own.no_repeat_ngram_size ?? 0,
    suppressTokens: own.suppress_tokens ?? [],
    beginSuppressTokens: own.begin_suppress_tokens ?? [],
    minLength: own.min_length ?? 0,
    minNewTokens: own.min_new_tokens ?? 0,
    forcedBosToken: own.forced_bos_token_id,
    forcedEosTokens: own.forced_eos_token_id,
    sampling: samples ? samplingOf(wishes, own) : undefined,
    beams:
      beams === 1
        ? undefined
        : {
            count: beams,
            lengthPenalty: wishes.lengthPenalty ?? own.length_penalty ?? 1,
            earlyStopping: wishes.earlyStopping ?? own.early_stopping ?? false,
          },
    stop: wishes.stop ?? own.stop_strings ?? [],
    stopTokens: [],
  };
}

function samplingOf(wishes: GenerationWishes, own: GenerationConfig): SamplingSettings {
  const [unsupported] = own.unsupportedSampling;
  if (unsupported !== undefined) {
    throw new BidoraError(
      "CONFIG",
      `The model's generation settings have ${unsupported}, which is not supported where tokens are drawn; take it out to go on without it.`,
    );
  }
  return {
    temperature: wishes.temperature ?? own.temperature ?? 1,
    topK: wishes.topK ?? own.top_k ?? TOP_K,
    topP: wishes.topP ?? own.top_p ?? 1,
    minP: wishes.minP ?? own.min_p,
  };
}

/** A prompt that leaves no room for what is to come after it. */
export class PromptTooLong extends BidoraError {
  constructor(
    /** The most tokens that it may have. */
    readonly most: number,
    message: string,
  ) {
    super("PROMPT_TOO_LONG", message);
  }
}

/**
 * How many tokens may come after a prompt.
 * @param tokens of the prompt
 * @param positions that the model has
 * @param which names the prompt in messages
 * @throws PromptTooLong
 */
export function roomAfter(
  tokens: number,
  { maxNewTokens }: Pick<GenerationWishes, "maxNewTokens">,
  own: Pick<GenerationConfig, "max_new_tokens" | "max_length">,
  positions: number,
  which: string,
): number {
  const total = maxNewTokens === undefined && own.max_new_tokens === undefined ? own.max_length : undefined;
  const limit = Math.min(positions, total ?? positions);
  const wanted = maxNewTokens ?? own.max_new_tokens ?? (total === undefined ? NEW_TOKENS : limit - tokens);
  if (tokens + (maxNewTokens ?? 1) <= limit) return Math.min(wanted, limit - tokens);
  const whose = limit < positions ? `its max_length is ${limit}` : `the model has ${positions} positions`;
  const beside = maxNewTokens === undefined ? "a new one" : `${maxNewTokens} new ones (--max-new-tokens)`;
  const advice = limit < positions ? "give --max-new-tokens" : "shorten it, or ask for fewer new tokens";
  throw new PromptTooLong(
    limit - (maxNewTokens ?? 1),
    `${which} has ${tokens} tokens, which leaves no room for ${beside}: ${whose}; ${advice}.`,
  );
}
