import { UsageError } from "../common/errors.js";
import { type GenerateSettings, generateOptions, generatorSettings, resolveSettings } from "../config/index.js";
import { loadLanguage } from "../data/index.js";
import { freeFile } from "../files/outputFolder.js";
import { checkPrompts } from "../inference/generationChecks.js";
import { checkHooks, type InferenceHooks } from "../inference/openForUse.js";
import { type GeneratedRow, TextGenerator } from "../inference/textGenerator.js";
import { writeLines } from "../inference/writeLines.js";

/**
 * Goes on from `--prompt`, or from each row of `--input`, in their order. With `--output` the rows are in that file once all have
 * come.
 * @throws UsageError for what is missing or excludes each other, BidoraError for what does not fit
 */
export async function* generate(
  given: GenerateSettings,
  hooks: Omit<InferenceHooks, "task"> = {},
): AsyncGenerator<GeneratedRow> {
  checkHooks("generate", hooks, "signal", "hub");
  const { signal, hub } = hooks;
  const { prompt, input, output, overwrite, model, adapter, ...settings } = resolveSettings(generateOptions, given);
  checkPrompts(settings.given);
  if (settings.chat)
    throw new UsageError("--chat is for the terminal: make a TextGenerator, and give it conversations.");
  const read = [input, model, adapter].filter((path) => path !== undefined);
  const path = output === undefined ? undefined : freeFile(output, overwrite, read);
  const examples = input === undefined ? undefined : (await loadLanguage(input, { labels: "optional" })).examples;
  const generator = await TextGenerator.open(generatorSettings(settings.given), { hub });
  const rows = examples ? generator.examples(examples, { signal }) : generator.rows([prompt ?? ""], { signal });
  const lines: string[] = [];
  for await (const row of rows) {
    if (path !== undefined) lines.push(`${JSON.stringify(row)}\n`);
    yield row;
  }
  if (path !== undefined) writeLines(path, lines);
}
