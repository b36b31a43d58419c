import { shellLine } from "../../../base/index.js";
import type { LowRankConfig } from "../../../models/adapters/index.js";
import { convertersWay, openNote, whyNoGguf } from "./llamaCpp.js";
import type { Subject } from "./subject.js";
import { exporting, no, type Program, reasonsOfBase, reasonsToMerge, shortName, unknown, yes } from "./verdict.js";

/**
 * Ollama runs GGUF files (its docs/import.mdx). Its imports of safetensors depend on version and platform: models go to its MLX engine,
 * adapters through a converter of its own.
 */
export const ollama: Program = (subject) => {
  const { name, adapter, task } = subject;
  if (task && !["ForCausalLM", "Model"].includes(task.head.className))
    return no(["It generates text and makes embeddings only."]);
  if (subject.isGguf) return yes({ commands: [creatingFrom(name)] });
  const stopped = whyNoGguf(subject);
  const converted = stopped && convertersWay(subject);
  if (converted) return { ...stopped, commands: [...converted.commands, creatingFrom(`./${converted.output}`)] };
  if (stopped) return stopped;
  const { command, output } = exporting(subject, "gguf", ".gguf");
  const commands = [command, creating(name, `${shortName(output)}.Modelfile`)];
  if (task?.embedding)
    return no(["It runs GGUF files.", ...reasonsToMerge(subject)], {
      commands,
      notes: [...openNote(subject), ALWAYS_NORMALIZES],
    });
  if (!adapter) return no(["It runs GGUF files."], { commands, notes: openNote(subject) });
  const ofBase = reasonsOfBase(adapter);
  const against = [...whyNotImported(subject, adapter.config as LowRankConfig, adapter.json.lora_alpha), ...ofBase];
  const notes = [...openNote(subject), ...(ofBase.length === 0 ? WITH_ITS_OWN_BASE : [])];
  if (against.length > 0) return no(against, { commands, notes });
  return unknown(
    ["It may import this adapter (ADAPTER in a Modelfile), which bidora has not tried; a GGUF file is certain."],
    { commands, notes },
  );
};

const ALWAYS_NORMALIZES =
  "Its /api/embed always normalizes embeddings and knows no prompts; its own engine lowercases the texts of WordPiece models, also where the tokenizer does not.";

const WITH_ITS_OWN_BASE = [
  "On a base model of Ollama's own, --to gguf-lora gives an adapter: name that model after FROM in its Modelfile.",
];

const creatingFrom = (file: string): string =>
  `echo ${shellLine([`FROM ${file}`])} > Modelfile && ${creating(file, "Modelfile")}`;

const creating = (name: string, modelfile: string): string =>
  shellLine(["ollama", "create", shortName(name), "-f", modelfile]);

/** What ConvertAdapter of its convert/convert.go refuses, or leaves out without an error: it reads tensors A and B, and lora_alpha. */
function whyNotImported({ modelType }: Subject, config: LowRankConfig, alpha: unknown): string[] {
  const { method, bias, modulesToSave, rslora, alphaPattern = {}, loraBias } = config;
  if (method !== ("lora" as string)) return [`It imports LoRA only, and this adapter is of the method ${method}.`];
  const other = modelType !== undefined && !["llama", "mistral"].includes(modelType);
  return [
    ...(other
      ? [`It imports adapters of Llama, Mistral and Gemma 1 and 2, and the base model is of ${modelType}.`]
      : []),
    ...(modulesToSave.length > 0 || bias !== "none" || loraBias
      ? ["It imports changes of matrices only, and this adapter trains more."]
      : []),
    ...(rslora || Object.keys(alphaPattern).length > 0
      ? ["It scales by lora_alpha / r and ignores use_rslora and alpha_pattern without an error."]
      : []),
    ...(Number.isInteger(alpha) ? [] : ["It reads lora_alpha as a whole number."]),
  ];
}
