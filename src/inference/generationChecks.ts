import { UsageError } from "../common/errors.js";
import {
  flagOf,
  type GenerateSettings,
  type GeneratorSettings,
  promptConditions,
  refuseIdle,
} from "../config/index.js";
import { SAMPLING_KEYS } from "../generation/index.js";

/** @throws UsageError for the likeliest token beside what takes another */
export function refuseExcluding(given: GeneratorSettings): void {
  const beams = (given.beams ?? 1) > 1 ? "beams" : undefined;
  const other = given.greedy ? (SAMPLING_KEYS.find((key) => key in given) ?? beams) : undefined;
  if (other !== undefined)
    throw new UsageError(`--greedy takes the likeliest token each time, and ${flagOf(other)} does not: leave one out.`);
}

/**
 * What a command or call goes on from.
 * @throws UsageError where it is not one of `--prompt`, `--input` and `--chat` that says it, and for what has no effect beside it
 */
export function checkPrompts(settings: GenerateSettings): void {
  refuseNoPrompt(settings);
  refuseIdle(promptConditions, settings, settings);
}

function refuseNoPrompt({ prompt, input, chat }: GenerateSettings): void {
  const given = [prompt !== undefined && "--prompt", input !== undefined && "--input", chat && "--chat"].filter(
    Boolean,
  );
  if (given.length === 1) return;
  if (given.length === 0)
    throw new UsageError("There is nothing to go on from: give --prompt with a text, --input with a file, or --chat.");
  throw new UsageError(`${given.join(" and ")} exclude each other: give one of them.`);
}
