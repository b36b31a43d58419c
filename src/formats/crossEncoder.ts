// A CrossEncoder folder of sentence-transformers: a classifier with one output, and the function that makes a score of it. Formats of
// versions 3 to 6 are read; what is written, versions 4 to 6 read.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError, makeFolder, own, SENTENCE_TRANSFORMERS } from "../base/index.js";
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  readJsonObjects,
  readOptionalJsonObject,
  writeFileAtomic,
} from "../base/records/index.js";
import { readConfig } from "./readConfig.js";
import { lengthIn, otherSetting } from "./sentenceTransformers.js";

/** What makes a score of a model's output. */
export type ScoreActivation = "sigmoid" | "identity" | "tanh";

/** Each activation, with the path of its class in torch. */
const ACTIVATIONS: Readonly<Record<ScoreActivation, { readonly path: string; of(output: number): number }>> = {
  sigmoid: { path: "torch.nn.modules.activation.Sigmoid", of: (x: number) => 1 / (1 + Math.exp(-x)) },
  identity: { path: "torch.nn.modules.linear.Identity", of: (x: number) => x },
  tanh: { path: "torch.nn.modules.activation.Tanh", of: Math.tanh },
};

/** The activation of this name; undefined if there is none. */
export const scoreActivationOf = (name: string): ScoreActivation | undefined =>
  Object.hasOwn(ACTIVATIONS, name) ? (name as ScoreActivation) : undefined;

/** How a reranker scores a query with a document. */
export interface CrossEncoderFormat {
  readonly activation: ScoreActivation;
  /** The most tokens of a pair, special tokens included; undefined if the folder names no limit. */
  readonly maxLength: number | undefined;
}

/** As sentence-transformers uses a classifier with one output that says nothing else. */
export const PLAIN_RERANKER: CrossEncoderFormat = { activation: "sigmoid", maxLength: undefined };

/** The score for a model's output, rounded to float32 as torch does. */
export const scoreOf = (activation: ScoreActivation, output: number): number =>
  Math.fround(ACTIVATIONS[activation].of(output));

const MODEL_TYPE = "CrossEncoder";

/** Where a folder says which activation it has. */
interface Said {
  readonly path: string;
  readonly activation: JsonValue | undefined;
}

/** In the order in which sentence-transformers looks: versions 5 and 6, version 4, version 3. */
function activationsIn(folder: string): Said[] {
  const path = join(folder, SENTENCE_TRANSFORMERS.prompts);
  const { model_type: type, activation_fn: newest } = readOptionalJsonObject(path);
  const { sentence_transformers: nested, sbert_ce_default_activation_function: oldest } = readConfig(folder);
  const config = join(folder, "config.json");
  return [
    { path, activation: type === MODEL_TYPE ? newest : undefined },
    { path: config, activation: isJsonObject(nested) ? nested.activation_fn : undefined },
    { path: config, activation: oldest },
  ].filter(({ activation }) => (activation ?? null) !== null);
}

/** Whether a folder says that it is a CrossEncoder's, however many outputs it has. Older ones without an activation don't. */
export const isCrossEncoder = (folder: string): boolean =>
  readOptionalJsonObject(join(folder, SENTENCE_TRANSFORMERS.prompts)).model_type === MODEL_TYPE ||
  activationsIn(folder).length > 0;

/**
 * How a folder's model scores pairs; `PLAIN_RERANKER` for one that says nothing.
 * @throws BidoraError `CROSS_ENCODER` naming the activation or the setting that is not supported, `JSON`
 */
export function readCrossEncoderFormat(folder: string): CrossEncoderFormat {
  if (!isCrossEncoder(folder)) return PLAIN_RERANKER;
  refuseModules(folder);
  refusePrompt(folder);
  const [said] = activationsIn(folder);
  const { maxLength, lowercases, other } = transformerOf(folder);
  const path = join(folder, SENTENCE_TRANSFORMERS.transformer);
  if (lowercases) throw unsupported(path, "do_lower_case");
  if (other !== undefined) throw unsupported(path, `the setting ${other}`);
  return { activation: said ? activationOf(said) : PLAIN_RERANKER.activation, maxLength };
}

/** By the class's own name: its module differs between versions of torch. */
function activationOf({ path, activation }: Said): ScoreActivation {
  const name = /^torch\.nn\.(?:modules\.\w+\.)?(\w+)$/.exec(String(activation))?.[1];
  const found = Object.entries(ACTIVATIONS).find(([, { path }]) => path.endsWith(`.${name}`));
  if (found) return found[0] as ScoreActivation;
  throw unsupported(path, `the activation function ${JSON.stringify(activation)}`);
}

/** Modules after the transformer compute other scores, such as those of the words yes and no. */
function refuseModules(folder: string): void {
  const path = join(folder, SENTENCE_TRANSFORMERS.modules);
  const names = existsSync(path) ? readJsonObjects(path).map(({ type }) => String(type).split(".").at(-1)) : [];
  const strange = names.find((name, i) => i > 0 || name !== "Transformer");
  if (strange !== undefined) throw unsupported(path, `the module ${strange} at this place`);
}

/** A prompt stands before every query. */
function refusePrompt(folder: string): void {
  const path = join(folder, SENTENCE_TRANSFORMERS.prompts);
  const { default_prompt_name: name, prompts } = readOptionalJsonObject(path);
  if (typeof name !== "string" || !isJsonObject(prompts) || !own(prompts, name)) return;
  throw unsupported(path, `the default prompt ${JSON.stringify(name)}`);
}

interface TransformerFile {
  readonly maxLength: number | undefined;
  readonly lowercases: boolean;
  /** The name of a setting that changes the model or the tokens. */
  readonly other: string | undefined;
}

function transformerOf(folder: string): TransformerFile {
  const json = readOptionalJsonObject(join(folder, SENTENCE_TRANSFORMERS.transformer));
  return {
    maxLength: lengthIn(folder, json.max_seq_length),
    lowercases: json.do_lower_case === true,
    other: otherSetting(json),
  };
}

function unsupported(path: string, what: string): BidoraError {
  return new BidoraError(
    "CROSS_ENCODER",
    `${path} has ${what}, which is not supported: expected a CrossEncoder with one output, whose activation is Sigmoid, Identity or Tanh.`,
  );
}

/** The keys of config.json by which version 4 knows the activation. */
export const crossEncoderKeys = ({ activation }: Pick<CrossEncoderFormat, "activation">): JsonObject => ({
  sentence_transformers: { activation_fn: ACTIVATIONS[activation].path },
});

/** Writes the files beside a model by which sentence-transformers gives the same scores. `folder` may be new. */
export function writeCrossEncoderFormat(folder: string, { activation, maxLength }: CrossEncoderFormat): void {
  makeFolder(folder);
  const write = (name: string, json: JsonValue) =>
    writeFileAtomic(join(folder, name), `${JSON.stringify(json, undefined, 2)}\n`);
  write(SENTENCE_TRANSFORMERS.prompts, {
    model_type: MODEL_TYPE,
    activation_fn: ACTIVATIONS[activation].path,
    prompts: {},
    default_prompt_name: null,
  });
  write(SENTENCE_TRANSFORMERS.transformer, {
    transformer_task: "sequence-classification",
    modality_config: { text: { method: "forward", method_output_name: "logits" } },
    module_output_name: "scores",
    ...(maxLength !== undefined && { max_seq_length: maxLength }),
  });
  write(SENTENCE_TRANSFORMERS.modules, [
    { idx: 0, name: "0", path: "", type: "sentence_transformers.models.Transformer" },
  ]);
}
