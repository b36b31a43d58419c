/** The architectures that can be written as ONNX. A new one is a file in families and an entry here. */
import type { ModelType } from "../../../models/index.js";
import type { GraphFamily } from "./encoder.js";
import { bert } from "./families/bert.js";
import { debertaV2 } from "./families/debertaV2.js";
import { decoder, gemma3 } from "./families/decoder.js";
import { distilbert } from "./families/distilbert.js";
import { electra } from "./families/electra.js";
import { esm } from "./families/esm.js";
import { gpt2 } from "./families/gpt2.js";
import { modernbert } from "./families/modernbert.js";
import { mpnet } from "./families/mpnet.js";
import { roberta } from "./families/roberta.js";

export const GRAPH_FAMILIES: Readonly<Record<ModelType, GraphFamily>> = {
  bert,
  roberta,
  "xlm-roberta": roberta,
  camembert: roberta,
  distilbert,
  electra,
  "deberta-v2": debertaV2,
  esm,
  mpnet,
  modernbert,
  gpt2,
  llama: decoder,
  mistral: decoder,
  qwen2: decoder,
  qwen3: decoder,
  phi3: decoder,
  gemma3_text: gemma3,
  smollm3: decoder,
};
