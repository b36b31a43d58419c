/** The AI SDK's call options as bidora's settings. */
import { randomInt } from "node:crypto";
import { InvalidArgumentError, type LanguageModelV3CallOptions, type SharedV3Warning } from "@ai-sdk/provider";
import type { JsonSchema, ModelGenerateSettings } from "bidora";

/** Further settings of a call, as `providerOptions: { bidora: … }`: those of bidora's `generate` that the AI SDK has no option for. */
export type BidoraCallOptions = Pick<
  ModelGenerateSettings,
  "minP" | "repetitionPenalty" | "noRepeatNgram" | "beams" | "lengthPenalty" | "earlyStopping"
>;

const OWN: readonly (keyof BidoraCallOptions)[] = [
  "minP",
  "repetitionPenalty",
  "noRepeatNgram",
  "beams",
  "lengthPenalty",
  "earlyStopping",
];

/** The schema of JSON for which a call gives none. */
const ANY_OBJECT: JsonSchema = { type: "object" };

/** A seed is chosen below this number where a call gives none. */
const SEEDS = 2 ** 32;

interface Mapped {
  readonly settings: ModelGenerateSettings;
  readonly warnings: SharedV3Warning[];
}

/**
 * Temperature 0 is greedy decoding, as is a call without any sampling option.
 * @throws InvalidArgumentError for provider options that do not exist
 */
export function settingsOf(options: LanguageModelV3CallOptions): Mapped {
  const {
    temperature,
    topP,
    topK,
    seed,
    maxOutputTokens,
    stopSequences = [],
    providerOptions,
    responseFormat,
  } = options;
  const own = ownOptions(providerOptions?.bidora);
  const isGreedy = temperature === 0;
  const sampling = isGreedy ? {} : given({ temperature, topP, topK, minP: own.minP });
  const isSampled = Object.keys(sampling).length > 0;
  return {
    settings: {
      ...own,
      ...given({ maxNewTokens: maxOutputTokens }),
      ...(stopSequences.length > 0 && { stop: stopSequences }),
      ...(isGreedy && { greedy: true }),
      ...sampling,
      ...(isSampled && { seed: seed ?? randomInt(SEEDS) }),
      ...(responseFormat?.type === "json" && { jsonSchema: (responseFormat.schema ?? ANY_OBJECT) as JsonSchema }),
    },
    warnings: [
      ...unsupported(options),
      ...(isGreedy ? Object.keys(given({ topP, topK })) : []).map((feature) =>
        warning(feature, "temperature 0 takes the most likely token each time"),
      ),
    ],
  };
}

function ownOptions(options: Readonly<Record<string, unknown>> = {}): BidoraCallOptions {
  const stray = Object.keys(options).find((name) => !(OWN as readonly string[]).includes(name));
  if (stray === undefined) return options;
  const message = `providerOptions.bidora has no ${stray}; it takes ${OWN.join(", ")}.`;
  throw new InvalidArgumentError({ argument: `providerOptions.bidora.${stray}`, message });
}

/** Options that bidora has nothing for. */
function unsupported(options: LanguageModelV3CallOptions): SharedV3Warning[] {
  const { presencePenalty, frequencyPenalty } = options;
  return [
    ...(presencePenalty ? [warning("presencePenalty", "providerOptions.bidora has repetitionPenalty")] : []),
    ...(frequencyPenalty ? [warning("frequencyPenalty", "providerOptions.bidora has repetitionPenalty")] : []),
  ];
}

export const warning = (feature: string, details?: string): SharedV3Warning => ({
  type: "unsupported",
  feature,
  ...(details !== undefined && { details }),
});

/** Without keys whose value is undefined. */
function given<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
