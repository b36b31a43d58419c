import { shellLine } from "../../../base/index.js";
import { isJsonObject } from "../../../base/records/index.js";
import { type LowRankConfig, type TargetedConfig, whyNotPeft } from "../../../models/adapters/index.js";
import type { AdapterSubject, Subject } from "./subject.js";
import { baseName, exporting, merging, no, type Program, reasonsOfBase, yes } from "./verdict.js";

/** PEFT loads adapters of the methods that it has, from its own files. */
export const peft: Program = (subject) => {
  const { adapter, modelType } = subject;
  if (!adapter) return no([`It loads adapters, and this is a whole model, which transformers loads without PEFT.`]);
  const why = whyNotPeft(adapter.config);
  if (why !== undefined) return no([`${why}.`], { commands: [merging(subject)?.command ?? []].flat() });
  if (startsBy("olora")(adapter) && adapter.json.fan_in_fan_out === true)
    return no(["Its OLoRA fails on GPT-2's Conv1D, whose weights it does not transpose."], {
      commands: [exporting(subject, "peft-lora", "-lora").command],
    });
  // hira/layer.py, Embedding.forward, in 0.21; PEFT's merged model has the scale.
  if (modelType?.startsWith("gemma3") && adapter.tensors.some((name) => name.includes(".hira_embedding_A")))
    return no(["Its HiRA leaves out the scale that Gemma 3 multiplies embeddings by."], {
      commands: [merging(subject)?.command ?? []].flat(),
    });
  // PEFT quantizes the base again for an adapter that it started by LoftQ itself.
  const ofBase = adapter.settings.initLoraWeights === "loftq" ? reasonsOfBase(adapter) : [];
  if (ofBase.length > 0 && quantization(adapter) === undefined)
    return no([...ofBase, "bitsandbytes has no such format."], { commands: [merging(subject)?.command ?? []].flat() });
  const notes = [`It needs PEFT ${leastVersion(adapter)} or newer.`, ...headNote(subject, adapter)];
  return yes({ notes, commands: [loading(subject, adapter)] });
};

/**
 * The first versions of PEFT with each feature, from their wheels. Since 0.12.0 PEFT ignores keys that it does not know with a warning:
 * too old a version would compute something else. Versions before refuse such keys.
 */
const FIRST_VERSIONS: readonly (readonly [version: string, has: (adapter: AdapterSubject) => boolean])[] = [
  ["0.20.0", ({ config }) => config.method === "hira"],
  ["0.19.0", ({ tensors }) => tensors.some((name) => name.includes(".oft_embedding_R."))],
  ["0.18.0", ({ config }) => config.method === "oft"], // with its Cayley-Neumann series of today
  ["0.18.0", ({ config }) => config.method === "delora"],
  ["0.17.0", ({ config }) => config.method === "miss"],
  ["0.16.0", startsBy("orthogonal")],
  ["0.14.0", startsBy("eva")],
  ["0.14.0", ({ config }) => (config as Partial<LowRankConfig>).loraBias === true],
  ["0.14.0", ({ config }) => (config as Partial<TargetedConfig>).excludeModules !== undefined],
  ["0.13.0", ({ config, tensors }) => config.method === "dora" && tensors.some((name) => /lora_embedding_/.test(name))],
  ["0.12.0", startsBy("olora")],
  // Keys that are newer than 0.12.0, which versions before refuse.
  ["0.12.0", ({ json }) => "peft_version" in json || "exclude_modules" in json],
  ["0.11.0", ({ config }) => config.method === "vera"],
  ["0.11.0", startsBy("pissa")],
  ["0.9.0", ({ config }) => config.method === "dora"],
  ["0.8.0", ({ config }) => (config as Partial<LowRankConfig>).rslora === true],
  ["0.6.0", ({ config }) => Object.keys((config as Partial<LowRankConfig>).rankPattern ?? {}).length > 0],
  ["0.4.0", ({ config }) => config.method === "ia3"],
];

function startsBy(start: LowRankConfig["initLoraWeights"]): (adapter: AdapterSubject) => boolean {
  return ({ config }) => (config as Partial<LowRankConfig>).initLoraWeights === start;
}

const leastVersion = (adapter: AdapterSubject): string =>
  FIRST_VERSIONS.find(([, has]) => has(adapter))?.[0] ?? "0.3.0";

/** A new head needs a base model with as many labels, which transformers takes from config.json or from `num_labels`. */
function headNote({ labels }: Subject, { baseConfig, config }: AdapterSubject): string[] {
  if (labels === undefined || labels === 0 || config.modulesToSave.length === 0) return [];
  const { id2label, num_labels: count } = baseConfig ?? {};
  const own = isJsonObject(id2label) ? Object.keys(id2label).length : typeof count === "number" ? count : 2;
  return own === labels ? [] : [`The base model has to be loaded with num_labels=${labels}, or its head does not fit.`];
}

/** bitsandbytes' settings for the base of an adapter that LoftQ started; undefined for other adapters, and other formats. */
function quantization({ settings: { baseDtype, initLoraWeights } }: AdapterSubject): string | undefined {
  if (initLoraWeights !== "loftq") return undefined;
  if (baseDtype === "int8" || baseDtype === "w8a8") return "load_in_8bit=True";
  const isFourBits = baseDtype === "nf4" || baseDtype === "fp4";
  return isFourBits ? `load_in_4bit=True, bnb_4bit_quant_type="${baseDtype}"` : undefined;
}

function loading({ name, task, labels }: Subject, adapter: AdapterSubject): string {
  const head = task?.head.className;
  const auto = head === undefined || head === "Model" ? "AutoModel" : `AutoModel${head}`;
  const count = labels && adapter.config.modulesToSave.length > 0 ? `, num_labels=${labels}` : "";
  const [base, path] = [baseName(adapter), name].map((text) => JSON.stringify(text));
  const packed = quantization(adapter);
  const classes = packed === undefined ? auto : `${auto}, BitsAndBytesConfig`;
  const settings = packed === undefined ? "" : `, quantization_config=BitsAndBytesConfig(${packed})`;
  const program = `from transformers import ${classes}; from peft import PeftModel; model = PeftModel.from_pretrained(${auto}.from_pretrained(${base}${count}${settings}), ${path})`;
  return shellLine(["python", "-c", program]);
}
