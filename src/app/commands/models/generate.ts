/** `bidora generate`: generates text after prompts. */

import { ResultStream, UsageError } from "../../../base/index.js";
import { freeFile } from "../../../base/records/index.js";
import type { Settings } from "../../../base/settings/index.js";
import type { HubContext } from "../../../formats/hub/index.js";
import { type GenerateSettings, generateOptions } from "../../../tasks/config/index.js";
import { loadLanguage } from "../../../tasks/data/index.js";
import { namedTask } from "../../../tasks/index.js";
import {
  findModel,
  type GeneratedRow,
  generationPlan,
  openDraft,
  openForInference,
  TextGenerator,
} from "../../../use/inference/index.js";
import { checkedCall, defineCommand, HUB_HOOKS, type HubHooks } from "../command.js";
import { writtenTo } from "./rowFiles.js";

type GenerateCall = Settings<typeof generateOptions>;

export const generateCommand = defineCommand({
  usage: "generate --model M --prompt TEXT | --input FILE | --chat",
  about: "Generates text: by greedy search, by sampling, or by beam search.",
  options: generateOptions,
  hooks: HUB_HOOKS,
  run: async (settings, context) => generatedRows(settings, context),
  show: () => [],
});

/**
 * Generates text after `prompt`, or after each row of `input`, in order. `await` returns all results, `for await` streams them. With
 * `output` they are also written to that file, after the last one.
 * @throws UsageError for settings that are missing or mutually exclusive, BidoraError for prompts or files that do not fit
 */
export const generate = (settings: GenerateSettings, hooks: HubHooks = {}): ResultStream<GeneratedRow> =>
  new ResultStream(async function* () {
    yield* generatedRows(...checkedCall("generate", generateCommand, settings, hooks));
  });

/** Generates text with checked settings. */
export async function* generatedRows(settings: GenerateCall, context: HubContext): AsyncGenerator<GeneratedRow> {
  const { prompt, input, output, overwrite, model, adapter } = settings;
  checkPrompts(settings);
  if (settings.chat)
    throw new UsageError("--chat is for the terminal: load() a model, and give its generate() conversations.");
  const path = output === undefined ? undefined : freeFile(output, overwrite, [input, model, adapter]);
  const reading = { labels: "optional", onNote: context.onNote } as const;
  const examples = input === undefined ? undefined : (await loadLanguage(input, reading)).examples;
  const generator = await generatorFor(settings, context);
  const { signal } = context;
  const rows = examples ? generator.examples(examples, { signal }) : generator.rows([prompt ?? ""], { signal });
  yield* writtenTo(path, rows);
}

/** Opens the model of a call. Checks the settings against its generation config before reading its weights. */
export async function generatorFor(settings: GenerateCall, context: HubContext): Promise<TextGenerator> {
  const found = await findModel(settings, context);
  const plan = generationPlan(found.folder, settings);
  const open = await openForInference(found, settings, namedTask("causal-lm"));
  const { draft: named, draftTokens: tokens } = settings;
  const draft = named === undefined ? undefined : { ...(await openDraft(named, open, context)), tokens };
  return TextGenerator.of(open, { ...plan, draft }, { batchSize: settings.batchSize });
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
