import { generatorFor } from "../../src/commands/generate.js";
import { type GenerateSettings, generateOptions } from "../../src/config/index.js";
import type { TextGenerator } from "../../src/inference/textGenerator.js";
import { checkSettings, filled } from "../../src/settings/settings.js";

/** The generator that the command `generate` makes of its settings. */
export const openGenerator = (given: GenerateSettings): Promise<TextGenerator> =>
  generatorFor(filled(generateOptions, checkSettings(generateOptions, given)), {});
