import { shellLine } from "../../../base/index.js";
import {
  architectureFor,
  ENCODER_TYPES,
  encoderNames,
  RERANKER_TYPES,
  writableModelTypes,
} from "../../../formats/gguf/index.js";
import type { AdapterConfig, LowRankConfig } from "../../../models/adapters/index.js";
import { isOfLanguageModel } from "../../../tasks/index.js";
import type { AdapterSubject, Subject } from "./subject.js";
import {
  baseName,
  exporting,
  isMergeable,
  merging,
  no,
  type Program,
  reasonsOfBase,
  reasonsToMerge,
  shortName,
  type Verdict,
  type Way,
  yes,
} from "./verdict.js";

/** Classes that llama.cpp's convert_hf_to_gguf.py registers (November 2026), which bidora writes no GGUF for, or only for embeddings. */
const CONVERTED = [
  ...["GPT2LMHeadModel", "Phi3ForCausalLM"],
  ...["BertModel", "BertForSequenceClassification", "CamembertModel"],
  ...["RobertaModel", "RobertaForSequenceClassification", "XLMRobertaModel", "XLMRobertaForSequenceClassification"],
  ...["DistilBertModel", "DistilBertForSequenceClassification"],
  ...["ModernBertModel", "ModernBertForSequenceClassification"],
];

/** llama.cpp runs GGUF files: models, and LoRA adapters. */
export const llamaCpp: Program = (subject) => {
  const { adapter, name } = subject;
  if (subject.isGguf)
    return yes({ commands: [subject.task?.reranking ? ranking(name) : shellLine(["llama-cli", "-m", name])] });
  const stopped = whyNoGguf(subject);
  if (stopped) return stopped;
  const model = exporting(subject, "gguf", ".gguf");
  if (subject.task?.embedding) return embedding(subject, model);
  if (subject.task?.reranking) return reranking(subject, model);
  const whole = adapter ? [...whyWhole(adapter.config), ...reasonsOfBase(adapter)] : [];
  if (!adapter || whole.length > 0)
    return no(["It reads GGUF files.", ...whole], { commands: running(model), notes: openNote(subject) });
  return no(["It reads GGUF files."], {
    commands: loraCommands(subject, adapter),
    notes: [...openNote(subject), ...loraNotes(adapter), ...templateNotes(adapter)],
  });
};

/** Models that embed texts are merged: an adapter's file can't say how token states are pooled. */
function embedding(subject: Subject, { command, output }: Way): Verdict {
  return no(["It reads GGUF files.", ...reasonsToMerge(subject)], {
    commands: [command, shellLine(["llama-server", "--embeddings", "-m", output])],
    notes: [
      ...openNote(subject),
      "It normalizes embeddings as --embd-normalize says, and knows no prompts: the export says what to set.",
    ],
  });
}

/** Rerankers are merged: an adapter's file has no head. */
function reranking(subject: Subject, { command, output }: Way): Verdict {
  return no(["It reads GGUF files.", ...reasonsToMerge(subject)], {
    commands: [command, ranking(output)],
    notes: [
      ...openNote(subject),
      ...(subject.modelType === "bert" ? [ONE_TYPE] : []),
      "It gives the model's raw output: the export says what makes a score of it.",
    ],
  });
}

const ONE_TYPE =
  "It gives both texts of a pair the first token type: the export refuses a BERT that tells them apart, which most do.";

const ranking = (file: string): string => shellLine(["llama-server", "--reranking", "-m", file]);

/** The verdict on what bidora can't write as GGUF; undefined for what it can, and for what is not known. */
export function whyNoGguf(subject: Subject): Verdict | undefined {
  const { adapter, className, modelType, task } = subject;
  if (adapter && !isMergeable(adapter.config)) return no(["No GGUF file can hold a bottleneck adapter."]);
  const mayBeLanguageModel = task === undefined ? adapter !== undefined : isOfLanguageModel(task);
  if (mayBeLanguageModel && (modelType === undefined || architectureFor(modelType))) return undefined;
  const embeds = task?.embedding !== undefined;
  if (embeds && (modelType === undefined || architectureFor(modelType) || encoderNames(modelType))) return undefined;
  if (task?.reranking && RERANKER_TYPES.some((type) => type === modelType)) return undefined;
  const what =
    `bidora writes GGUF files of language models (${writableModelTypes().join(", ")}), and of these and encoders ` +
    `(${ENCODER_TYPES.join(", ")}) that embed texts, and rerankers (${RERANKER_TYPES.join(", ")})`;
  const way = convertersWay(subject);
  if (!way) return no([`It reads GGUF files; ${what}.`]);
  return no([`It reads GGUF files; ${what}: ${className} takes llama.cpp's own converter.`], {
    commands: way.commands,
  });
}

/** By way of llama.cpp's own converter; undefined for a class that it does not have, and for matrices that bitsandbytes packed. */
export function convertersWay(subject: Subject): { commands: readonly string[]; output: string } | undefined {
  const { adapter, className, name } = subject;
  if (className === undefined || !CONVERTED.includes(className) || subject.isPacked) return undefined;
  const merged = adapter && merging(subject);
  const folder = merged?.output ?? name;
  const output = `${shortName(folder)}.gguf`;
  const convert = shellLine(["python", "convert_hf_to_gguf.py", folder, "--outfile", output]);
  return { commands: [...(merged ? [merged.command] : []), convert], output };
}

export const openNote = ({ modelType, whyUnknown }: Subject): string[] =>
  modelType === undefined ? [`Whether bidora writes GGUF files of the base model is not known: ${whyUnknown}.`] : [];

const running = ({ command, output }: Way): string[] => [command, shellLine(["llama-cli", "-m", output])];

/** Why the adapter has to be merged; nothing if it can be a LoRA of its own. */
function whyWhole({ method, bias, modulesToSave }: AdapterConfig): readonly string[] {
  const more = method === "bitfit" || bias !== "none" || modulesToSave.length > 0;
  return more ? ["Its adapters hold changes of matrices only, and this one trains more: it has to be merged."] : [];
}

function loraCommands(subject: Subject, adapter: AdapterSubject): string[] {
  const lora = exporting(subject, "gguf-lora", "-lora.gguf");
  const base = baseName(adapter);
  const model = `${shortName(base)}.gguf`;
  const ofBase = /\.gguf$/i.test(base)
    ? []
    : [`${lora.command.split(" export ")[0]} export --to gguf ${shellLine(["--model", base, "--output", model])}`];
  return [
    lora.command,
    ...ofBase,
    shellLine(["llama-cli", "-m", ofBase.length > 0 ? model : base, "--lora", lora.output]),
  ];
}

/** What is said of a chat template that the adapter was trained with, which a GGUF LoRA has no place for. */
const templateNotes = ({ hasTemplate }: AdapterSubject): string[] =>
  hasTemplate
    ? [
        "The export leaves out the chat template that it was trained with: give llama-server that one with --jinja --chat-template-file.",
      ]
    : [];

/** What becomes of the adapter on the way. */
function loraNotes({ config }: AdapterSubject): string[] {
  const { rslora, alphaPattern = {} } = config as Partial<LowRankConfig>;
  if (config.method === "miss" || config.method === "delora")
    return ["Its change of the weights has the adapter's rank: the export writes it as a LoRA, without loss."];
  if (config.method !== "lora")
    return [
      "Its change of the weights is approximated by a LoRA of the adapter's rank; --to gguf merges it without loss.",
    ];
  return rslora || Object.keys(alphaPattern).length > 0
    ? ["llama.cpp's convert_lora_to_gguf.py reads lora_alpha only and would scale it wrongly: take bidora's export."]
    : [];
}
