import { UsageError } from "../common/errors.js";
import { flagOf, type GenerateSettings } from "../config/index.js";
import { type GenerationSettings, SAMPLING_KEYS } from "../generation/index.js";

/** @throws UsageError for the likeliest token beside what takes another */
export function refuseExcluding(given: GenerateSettings): void {
  const beams = (given.beams ?? 1) > 1 ? "beams" : undefined;
  const other = given.greedy ? (SAMPLING_KEYS.find((key) => key in given) ?? beams) : undefined;
  if (other !== undefined)
    throw new UsageError(`--greedy takes the likeliest token each time, and ${flagOf(other)} does not: leave one out.`);
}

/** @throws UsageError naming each setting that changes nothing, and where it would act */
export function refuseIdle(given: GenerateSettings, { sampling, beams }: GenerationSettings): void {
  const idle: [key: keyof GenerateSettings, acts: boolean, only: string][] = [
    ["seed", sampling !== undefined, `with ${SAMPLING_KEYS.map(flagOf).join(", ")}`],
    ["lengthPenalty", beams !== undefined, "with --beams"],
    ["earlyStopping", beams !== undefined, "with --beams"],
    ["merge", given.adapter !== undefined, "with --adapter"],
    ["batchSize", given.input !== undefined, "with --input"],
    ["output", given.input !== undefined, "with --input"],
    ["overwrite", given.output !== undefined, "with --output"],
    ["system", given.chat === true, "with --chat"],
    ["json", !given.chat, "without --chat"],
  ];
  const named = idle.filter(([key, acts]) => given[key] !== undefined && given[key] !== false && !acts);
  if (named.length === 0) return;
  const list = named.map(([key, , only]) => `${flagOf(key)} (acts only ${only})`).join(", ");
  throw new UsageError(`No effect here: ${list}; leave ${named.length > 1 ? "them" : "it"} out.`);
}

/** @throws UsageError where it is not one of `--prompt`, `--input` and `--chat` that says what to go on from */
export function refuseNoPrompt({ prompt, input, chat }: GenerateSettings): void {
  const given = [prompt !== undefined && "--prompt", input !== undefined && "--input", chat && "--chat"].filter(
    Boolean,
  );
  if (given.length === 1) return;
  if (given.length === 0)
    throw new UsageError("There is nothing to go on from: give --prompt with a text, --input with a file, or --chat.");
  throw new UsageError(`${given.join(" and ")} exclude each other: give one of them.`);
}
