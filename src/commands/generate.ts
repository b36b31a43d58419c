/** `bidora generate`: text after prompts. */

import { UsageError } from "../common/errors.js";
import { type GenerateSettings, generateOptions, generatorSettings } from "../config/index.js";
import { loadLanguage } from "../data/index.js";
import { freeFile } from "../files/outputFolder.js";
import { type GeneratedRow, TextGenerator } from "../inference/textGenerator.js";
import { writeLines } from "../inference/writeLines.js";
import { checkSettings, type Settings } from "../settings/settings.js";
import { checkHooks, defineCommand, type Hooks, settingsFor, withHub } from "./command.js";

type GenerateCall = Settings<typeof generateOptions>;

export const generateCommand = defineCommand({
  usage: "generate --model M --prompt TEXT | --input FILE | --chat",
  about: "Generates text: by greedy search, by sampling, or by beam search.",
  options: generateOptions,
  hooks: ["signal", "onNote", "onDownload", "hub"],
  run: async (settings, hooks) => generateRows(settings, hooks),
  show: () => [],
});

/**
 * Generates text after `prompt`, or after each row of `input`, in the order of the rows. With `output` the rows are written to that
 * file after the last one.
 * @throws UsageError for what is missing or excludes each other, BidoraError for what does not fit
 */
export async function* generate(
  settings: GenerateSettings,
  hooks: Pick<Hooks, "signal" | "onNote" | "onDownload" | "hub"> = {},
): AsyncGenerator<GeneratedRow> {
  checkHooks("generate", hooks, generateCommand.hooks);
  yield* generateRows(settingsFor(generateCommand, checkSettings(generateOptions, settings)), withHub(hooks));
}

/** Generates text for settings that have been checked. */
export async function* generateRows(
  settings: GenerateCall,
  { signal, hub }: Pick<Hooks, "signal" | "hub">,
): AsyncGenerator<GeneratedRow> {
  const { prompt, input, output, overwrite, model, adapter } = settings;
  checkPrompts(settings);
  if (settings.chat)
    throw new UsageError("--chat is for the terminal: make a TextGenerator, and give it conversations.");
  const read = [input, model, adapter].filter((path) => path !== undefined);
  const path = output === undefined ? undefined : freeFile(output, overwrite, read);
  const examples = input === undefined ? undefined : (await loadLanguage(input, { labels: "optional" })).examples;
  const generator = await TextGenerator.open(generatorSettings(settings.given), { ...(hub && { hub }) });
  const ending = signal ? { signal } : {};
  const rows = examples ? generator.examples(examples, ending) : generator.rows([prompt ?? ""], ending);
  const lines: string[] = [];
  for await (const row of rows) {
    if (path !== undefined) lines.push(`${JSON.stringify(row)}\n`);
    yield row;
  }
  if (path !== undefined) writeLines(path, lines);
}

/** @throws UsageError unless exactly one of `--prompt`, `--input` and `--chat` is given */
export function checkPrompts({ prompt, input, chat }: GenerateSettings): void {
  const given = [prompt !== undefined && "--prompt", input !== undefined && "--input", chat && "--chat"].filter(
    Boolean,
  );
  if (given.length === 1) return;
  if (given.length === 0)
    throw new UsageError("There is no prompt: give --prompt with a text, --input with a file, or --chat.");
  throw new UsageError(`${given.join(" and ")} are mutually exclusive: give one of them.`);
}
