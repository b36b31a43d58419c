/** Where settings of `generate` act that do not act everywhere. */
import { type GenerationSettings, SAMPLING_KEYS } from "../generation/index.js";
import type { Condition } from "./acts.js";
import { type GenerateSettings, type GeneratorSettings, promptKeys } from "./commandOptions.js";
import { flagOf } from "./option.js";

type Conditions<Given, Call> = { readonly [K in keyof Given]?: Condition<Call> };

const withInput: Condition<GenerateSettings> = { only: "with --input", in: ({ input }) => input !== undefined };

/** Of a command or call that names what to go on from. */
export const promptConditions = {
  batchSize: withInput,
  output: withInput,
  overwrite: { only: "with --output", in: ({ output }) => output !== undefined },
  system: { only: "with --chat", in: ({ chat }) => chat === true },
  json: { only: "without --chat", in: ({ chat }) => chat !== true },
} satisfies Conditions<GenerateSettings, GenerateSettings>;

const inGenerate: Condition<undefined> = {
  only: "in generate(): a TextGenerator gets its prompts from stream() and rows()",
  in: () => false,
};

/** Of a generator that calls give their prompts to. */
export const callConditions = Object.fromEntries(promptKeys.map((key) => [key, inGenerate]));

/** How a generator goes on from prompts, and whether it has an adapter. */
type Generating = Pick<GenerationSettings, "sampling" | "beams"> & { readonly adapter: string | undefined };

const withBeams: Condition<Generating> = { only: "with --beams", in: ({ beams }) => beams !== undefined };

/** Of a generator, wherever its prompts come from. */
export const generatorConditions = {
  seed: { only: `with ${SAMPLING_KEYS.map(flagOf).join(", ")}`, in: ({ sampling }) => sampling !== undefined },
  lengthPenalty: withBeams,
  earlyStopping: withBeams,
  merge: { only: "with --adapter", in: ({ adapter }) => adapter !== undefined },
} satisfies Conditions<GeneratorSettings, Generating>;
