import { shellLine } from "../../../base/index.js";
import { changesBase, type LowRankConfig } from "../../../models/adapters/index.js";
import type { AdapterSubject, Subject } from "./subject.js";
import { baseName, judged, merging, no, type Program, reasonsOfBase, shortName, unknown, yes } from "./verdict.js";

/** Classes in vLLM's docs/models/supported_models.md (November 2026). */
const GENERATES = [
  "GPT2LMHeadModel",
  "LlamaForCausalLM",
  "MistralForCausalLM",
  "Qwen2ForCausalLM",
  "Qwen3ForCausalLM",
  "Phi3ForCausalLM",
  "Gemma3ForCausalLM",
  "SmolLM3ForCausalLM",
];

/** The same in docs/models/pooling_models (November 2026): classes for embeddings, classification and token classification. */
const POOLS = [
  ...["BertModel", "ModernBertModel", "RobertaModel", "XLMRobertaModel"],
  ...["LlamaModel", "MistralModel", "Qwen2Model", "Qwen3Model", "Gemma3TextModel"],
  ...["BertForSequenceClassification", "RobertaForSequenceClassification", "XLMRobertaForSequenceClassification"],
  ...["GPT2ForSequenceClassification", "Qwen2ForSequenceClassification", "Qwen3ForSequenceClassification"],
  ...["BertForTokenClassification", "ModernBertForTokenClassification", "Qwen3ForTokenClassification"],
];

/** Classes marked for LoRA in the first table, all but GPT-2; the other tables mark decoders only. */
const WITH_LORA = GENERATES.filter((name) => name !== "GPT2LMHeadModel");

/** `MaxLoRARanks` of vllm/config/lora.py; the default is 16. */
const MAX_RANKS = [1, 8, 16, 32, 64, 128, 256, 320, 512];
const DEFAULT_MAX_RANK = 16;

/** vLLM serves the models that it has classes for, and LoRA adapters on some of them. */
export const vllm: Program = (subject) => {
  const { adapter } = subject;
  if (!adapter) return modelVerdict(subject);
  const against = [...whyNoLora(adapter), ...reasonsOfBase(adapter), ...whyNotOnBase(subject)];
  return judged(against, openQuestions(subject, adapter), mending(subject), {
    notes: [
      `Requests have to name ${shortName(subject.name)} as the model: under the base model's name, vLLM answers without the adapter.`,
      // vLLM issues 34186 and 55193: activate_adapter in vllm/lora/model_manager.py logs it at debug level only.
      "If it finds none of the adapted modules, it serves the bare base model without an error: compare an answer.",
    ],
    commands: [servingAdapter(subject, adapter)],
  });
};

function modelVerdict({ name, className, isGguf }: Subject) {
  if (isGguf) return unknown(["vLLM's support of GGUF files is a plugin of its own, which bidora has no facts about."]);
  if (className === undefined) return unknown(["config.json does not name the model's class (architectures)."]);
  if (/ForQuestionAnswering$/.test(className)) return no(["It has no question answering."]);
  const serving = servingOf(className, name);
  return serving ? yes({ commands: [serving] }) : unknown([notListed(className)]);
}

const notListed = (className: string): string =>
  `${className} is not in vLLM's list of models; its Transformers backend may run it all the same.`;

/** The command that serves a whole model; undefined for a class that vLLM does not list. */
function servingOf(className: string, name: string): string | undefined {
  if (GENERATES.includes(className)) return shellLine(["vllm", "serve", name]);
  return POOLS.includes(className) ? shellLine(["vllm", "serve", name, "--runner", "pooling"]) : undefined;
}

/** What vLLM refuses, or leaves out without an error (vllm/lora/peft_helper.py, vllm/lora/utils.py). */
function whyNoLora({ config, settings }: AdapterSubject): string[] {
  const { method, bias, modulesToSave } = config;
  if (method !== "lora" && method !== "dora")
    return [`It serves LoRA only, and this adapter is of the method ${method}.`];
  const { loraBias } = config as LowRankConfig;
  const largest = Math.max(...ranksOf(settings));
  const most = MAX_RANKS.at(-1)!;
  return [
    ...(method === "dora" ? ["It refuses DoRA."] : []),
    ...(modulesToSave.length > 0 ? [`It refuses modules_to_save, which are ${modulesToSave.join(", ")} here.`] : []),
    ...(bias !== "none" || loraBias ? ["It refuses trained biases."] : []),
    ...(largest > most ? [`It takes ranks up to ${most}, and the largest here is ${largest}.`] : []),
    ...(isScaledAlike(config as LowRankConfig, settings) ? [] : [PATTERNS]),
    ...(changesBase(config) ? [OTHER_BASE] : []),
  ];
}

const PATTERNS =
  "It scales every module by lora_alpha / r and ignores rank_pattern and alpha_pattern without an error: the answers would be wrong.";

/** vllm/lora/peft_helper.py does not read `init_lora_weights`. */
const OTHER_BASE =
  "It adds the update to the base as it is, and this adapter's start has taken a part out of it: the answers would be wrong. export --to peft-lora writes a LoRA for the base as it is.";

const ranksOf = ({ modules }: AdapterSubject["settings"]): number[] => modules.map(({ rank = 0 }) => rank);

/** Whether every module has the scale that the settings without patterns give it. */
function isScaledAlike({ alpha, rank, rslora }: LowRankConfig, { modules }: AdapterSubject["settings"]): boolean {
  const scale = alpha / (rslora ? Math.sqrt(rank) : rank);
  return modules.every((module) => module.scale === scale);
}

function whyNotOnBase({ className }: Subject): string[] {
  if (className === undefined || WITH_LORA.includes(className) || isDecoderPool(className)) return [];
  return [`It has no LoRA for ${className}.`];
}

/** vLLM makes such models of its class for text generation, whose layers have other names than the adapter's may have. */
const isDecoderPool = (className: string): boolean =>
  /^(Llama|Mistral|Qwen[23]|Phi3|Gemma3Text)(Model|ForSequenceClassification|ForTokenClassification)$/.test(className);

function openQuestions({ className, whyUnknown }: Subject, { settings }: AdapterSubject): string[] {
  const tables = settings.modules.filter(({ path }) => /(^|\.)(lm_head|embed_tokens)$/.test(path));
  return [
    ...(className === undefined ? [`Whether it serves LoRA on the base model is not known: ${whyUnknown}.`] : []),
    ...(className !== undefined && isDecoderPool(className)
      ? [
          `It makes ${className} of its class for text generation; whether it then finds the adapter's modules by name is not known.`,
        ]
      : []),
    ...(tables.length === 0
      ? []
      : [
          `It takes LoRA on ${tables.map(({ path }) => path).join(", ")} only where the model's class lists them, which depends on its version.`,
        ]),
  ];
}

/** Merging, which keeps everything, and serving the result. */
function mending(subject: Subject) {
  const merged = merging(subject);
  if (!merged) return { notes: ["A bottleneck adapter can't be merged: bidora serves it itself (bidora serve)."] };
  const { className } = subject;
  const serving = className === undefined ? undefined : servingOf(className, merged.output);
  return serving
    ? { commands: [merged.command, serving] }
    : { commands: [merged.command], notes: className === undefined ? [] : [`Merged: ${notListed(className)}`] };
}

function servingAdapter({ name }: Subject, adapter: AdapterSubject): string {
  const largest = Math.max(...ranksOf(adapter.settings));
  const most = MAX_RANKS.find((rank) => rank >= largest)!;
  const limit = most > DEFAULT_MAX_RANK ? ["--max-lora-rank", String(most)] : [];
  const lora = ["--lora-modules", `${shortName(name)}=${name}`];
  return shellLine(["vllm", "serve", baseName(adapter), "--enable-lora", ...limit, ...lora]);
}
