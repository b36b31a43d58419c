import { generatorFor } from "../../../src/app/commands/models/generate.js";
import { checkSettings, filled } from "../../../src/base/settings/settings.js";
import { type GenerateSettings, generateOptions } from "../../../src/tasks/config/index.js";
import type { TextGenerator } from "../../../src/use/inference/textGenerator.js";

/** The generator that the command `generate` makes of its settings. */
export const openGenerator = (given: GenerateSettings): Promise<TextGenerator> =>
  generatorFor(filled(generateOptions, checkSettings(generateOptions, given)), {});
