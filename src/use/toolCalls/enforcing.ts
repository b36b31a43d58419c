/** Answers that must call tools: a grammar of the arguments within the model's own form of calls. */
import { BidoraError } from "../../base/index.js";
import { CallConstraint, type CallTokens, type Grammar, type Grammars } from "../../models/generation/index.js";
import type { Tokenizer, Tool } from "../../text/index.js";
import type { CallWriting } from "./format.js";
import { requireCallFormat } from "./formats.js";

/** Whether an answer may call tools, must call one, or must call the one of a name. `none` leaves the tools out of the prompt. */
export type ToolChoice = "none" | "auto" | "required" | { readonly name: string };

export interface RequiredCalls {
  /** Those that may be called. */
  readonly tools: readonly Tool[];
  /** Whether there is exactly one call. */
  readonly isSingle: boolean;
  readonly endTokens: readonly number[];
  /** The number of logits. */
  readonly vocabSize: number;
  readonly signal?: AbortSignal | undefined;
}

/** Whether a choice leaves the model no other answer than calls. */
export const isRequired = (choice: ToolChoice): boolean => choice === "required" || typeof choice === "object";

/** The tools that an answer may call by a choice. */
export const toolsOf = (tools: readonly Tool[], choice: ToolChoice): readonly Tool[] =>
  typeof choice === "object" ? tools.filter((tool) => tool.function.name === choice.name) : tools;

/**
 * The grammar of answers that are calls.
 * @throws BidoraError `TOOLS` for a model whose form of calls has no JSON or is not known; as `Grammars.open`
 */
export async function openCallGrammar(
  grammars: Grammars,
  tokenizer: Tokenizer,
  { tools, isSingle, endTokens, vocabSize, signal }: RequiredCalls,
): Promise<Grammar> {
  const writing = requireCallFormat(tokenizer).writing(tokenizer.toolTemplateText ?? "");
  if (!writing)
    throw new BidoraError(
      "TOOLS",
      "The model writes the arguments of calls in a form that is no JSON, which can't be required: let it choose (tool_choice auto).",
    );
  const around = await tokensAround(tokenizer, writing, tools, isSingle);
  const grammar = await grammars.openCalls(tools, endTokens, signal);
  const tokens: CallTokens = { ...around, ends: endTokens };
  return {
    constraint: () => new CallConstraint(tokens, () => grammar.constraint(), vocabSize),
    release: () => grammar.release(),
  };
}

async function tokensAround(
  tokenizer: Tokenizer,
  { open, head, tail, separator, close }: CallWriting,
  tools: readonly Tool[],
  isSingle: boolean,
): Promise<Omit<CallTokens, "ends">> {
  const names = tools.map((tool) => tool.function.name);
  const idsOf = async (texts: readonly string[]) => (await tokenizer.tokensOf(texts)).map(({ ids }) => ids);
  const [last = []] = await idsOf([tail + close]);
  return {
    first: await idsOf(names.map((name) => open + head(name))),
    further: isSingle || separator === undefined ? [] : await idsOf(names.map((name) => tail + separator + head(name))),
    last,
  };
}
