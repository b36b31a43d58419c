/** bidora's errors as the AI SDK's. */
import {
  AISDKError,
  InvalidArgumentError,
  InvalidPromptError,
  LoadSettingError,
  NoSuchModelError,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider";

/** The fields of bidora's errors; the class itself would load the package. */
interface Coded extends Error {
  readonly code: string;
}

const isCoded = (error: unknown): error is Coded =>
  error instanceof Error && /^(BidoraError|UsageError)$/.test(error.name) && "code" in error;

/** Codes of errors that a prompt causes. */
const OF_PROMPT: readonly string[] = [
  "CHAT_TEMPLATE",
  "EMPTY_TEXT",
  "PROMPT_TOO_LONG",
  "BAD_ROW",
  "VOCABULARY",
  "INPUT",
];

/** @param prompt of the call, which errors about it carry */
export function asSdkError(error: unknown, prompt: unknown): unknown {
  if (!isCoded(error)) return error;
  const { code, message } = error;
  if (code === "USAGE") return new InvalidArgumentError({ argument: "settings", message, cause: error });
  if (OF_PROMPT.includes(code)) return new InvalidPromptError({ prompt, message, cause: error });
  if (code === "JSON_SCHEMA" || code === "XGRAMMAR_MISSING")
    return new UnsupportedFunctionalityError({ functionality: "responseFormat with this schema", message });
  if (code === "TOOLS") return new UnsupportedFunctionalityError({ functionality: "tools with this model", message });
  if (code === "HEAD") return new UnsupportedFunctionalityError({ functionality: "a model for another task", message });
  return new AISDKError({ name: `AI_Bidora_${code}`, message, cause: error });
}

/** An error that opening a model threw. */
export function asLoadError(error: unknown, modelId: string, modelType: "languageModel" | "embeddingModel"): unknown {
  if (isMissing(error))
    return new LoadSettingError({ message: "The package bidora is not installed: npm install bidora" });
  if (!isCoded(error)) return error;
  const { code, message } = error;
  if (code === "CHECKPOINT" || code === "HUB_NOT_FOUND") return new NoSuchModelError({ modelId, modelType, message });
  return asSdkError(error, undefined);
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND" && /'bidora'/.test(error.message);
