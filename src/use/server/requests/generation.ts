/** The parameters that completions and chat completions have in common. */
import { z } from "zod";
import type { GenerationOverrides, JsonSchema } from "../../../models/generation/index.js";
import { invalid } from "../apiError.js";
import { aText, listOf } from "./inputs.js";

/** The most choices of a request. */
const MOST_CHOICES = 1024;
/** The most stop strings, and characters of one: OpenAI's number, and as many as answer quickly at each token. */
const MOST_STOPS = 4;
const MOST_CHARACTERS = 512;

const aStop = aText.min(1).max(MOST_CHARACTERS);
const aProbability = z.number().min(0).max(1);

/** Text, any JSON object, or JSON by a schema. The schema is followed whether `strict` is true or false. */
const aResponseFormat = z.discriminatedUnion(
  "type",
  [
    z.strictObject({ type: z.literal("text") }),
    z.strictObject({ type: z.literal("json_object") }),
    z.strictObject({
      type: z.literal("json_schema"),
      json_schema: z.strictObject({
        name: z.string().optional(),
        description: z.string().nullish(),
        strict: z.boolean().nullish(),
        schema: z.record(z.string(), z.unknown()),
      }),
    }),
  ],
  '"text", "json_object" or "json_schema"',
);

export const generationKeys = {
  model: z.string(),
  n: z.int().min(1).max(128).default(1),
  stop: z
    .union(
      [aStop.transform((one) => [one]), listOf(aStop, { least: 0, most: MOST_STOPS })],
      `a string of 1 to ${MOST_CHARACTERS} characters, or a list of at most ${MOST_STOPS} of them`,
    )
    .optional(),
  stream: z.boolean().default(false),
  stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).optional(),
  seed: z.int().min(0).optional(),
  temperature: z.number().min(0).optional(),
  top_p: aProbability.optional(),
  top_k: z.int().min(0).optional(),
  min_p: aProbability.optional(),
  repetition_penalty: z.number().gt(0).optional(),
  response_format: aResponseFormat.optional(),
};

const schema = z.object(generationKeys);
export type GenerationRequest = z.infer<typeof schema>;

/** The settings of a request as `generate` has them. A temperature of 0 is greedy decoding, whatever else is set for sampling. */
export function requestOverrides(request: GenerationRequest, maxNewTokens: number | undefined): GenerationOverrides {
  const { temperature, top_p: topP, top_k: topK, min_p: minP } = request;
  const common = {
    maxNewTokens,
    stop: request.stop?.length ? request.stop : undefined,
    repetitionPenalty: request.repetition_penalty,
  };
  return temperature === 0 ? { ...common, greedy: true } : { ...common, temperature, topP, topK, minP };
}

/** @throws ApiError 400 for parameters that contradict each other */
export function checkGenerationRequest(request: GenerationRequest, prompts: number): void {
  if (request.stream_options && !request.stream)
    throw invalid("stream_options is for stream: true: leave it out.", "stream_options");
  if (prompts * request.n > MOST_CHOICES)
    throw invalid(
      `A request has at most ${MOST_CHOICES} choices; got ${prompts} prompts with n ${request.n}: send several requests.`,
      "n",
    );
}

/** The schema of the answer, or undefined for any text. */
export function schemaOf({
  response_format: format,
}: Pick<GenerationRequest, "response_format">): JsonSchema | undefined {
  if (format === undefined || format.type === "text") return undefined;
  return format.type === "json_object" ? { type: "object" } : format.json_schema.schema;
}
