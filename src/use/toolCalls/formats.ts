/** The form in which a model writes calls of tools, by its chat template. */
import { randomUUID } from "node:crypto";
import { BidoraError } from "../../base/index.js";
import type { Tokenizer } from "../../text/index.js";
import type { CallFormat } from "./format.js";
import { gemma } from "./gemma.js";
import { granite } from "./granite.js";
import { harmony } from "./harmony.js";
import { hermes } from "./hermes.js";
import { llama } from "./llama.js";
import { mistral } from "./mistral.js";

/** In the order in which they are looked for. */
const FORMATS: readonly CallFormat[] = [harmony, gemma, mistral, granite, hermes, llama];

/** The form of a model's calls; undefined for one that is not read. */
export function callFormatOf({
  toolTemplateText: template,
}: Pick<Tokenizer, "toolTemplateText">): CallFormat | undefined {
  return template === undefined ? undefined : FORMATS.find((format) => format.isOf(template));
}

/** @throws BidoraError `TOOLS` for a model whose calls are not read */
export function requireCallFormat(tokenizer: Pick<Tokenizer, "toolTemplateText">): CallFormat {
  const format = callFormatOf(tokenizer);
  if (format) return format;
  throw new BidoraError(
    "TOOLS",
    "The model's chat template has no calls of tools in a form that is read: those of Hermes and Qwen, Llama 3, Mistral, Granite, Gemma 4 and gpt-oss are. Use another model, or its template with --chat-template FILE.",
  );
}

/** An id for a new call, as OpenAI has them unless the model's template takes others. */
export const newCallId = (format: CallFormat): string =>
  format.newId?.() ?? `call_${randomUUID().replaceAll("-", "").slice(0, 24)}`;
