/** The model of a run whose user names none. */
import type { TaskKind } from "../../tasks/index.js";

/** A model on the Hub, and why it is chosen. */
export interface ModelChoice {
  readonly model: string;
  readonly why: string;
}

const ENCODER: ModelChoice = { model: "sentence-transformers/all-MiniLM-L6-v2", why: "a small English encoder" };
const MULTILINGUAL: ModelChoice = {
  model: "FacebookAI/xlm-roberta-base",
  why: "a multilingual encoder, since the texts are not in the Latin alphabet",
};
const PROTEINS: ModelChoice = {
  model: "facebook/esm2_t12_35M_UR50D",
  why: "an encoder of proteins, since the texts look like sequences of amino acids",
};
const LANGUAGE: ModelChoice = { model: "HuggingFaceTB/SmolLM2-135M", why: "a small English language model" };
const CHAT: ModelChoice = { model: "HuggingFaceTB/SmolLM2-135M-Instruct", why: "a small English chat model" };

/** @param texts some texts of the rows */
export function modelFor(task: TaskKind, isChat: boolean, texts: readonly string[]): ModelChoice {
  if (task === "causal-lm" || task === "preference") return isChat ? CHAT : LANGUAGE;
  if (areProteins(texts)) return PROTEINS;
  return isLatin(texts.join("")) ? ENCODER : MULTILINGUAL;
}

/** Whether the texts are amino acids by their letters. */
const areProteins = (texts: readonly string[]): boolean =>
  texts.join("").length > 8 * texts.length && texts.every((text) => /^[ACDEFGHIKLMNPQRSTVWYXBZUO]+$/.test(text));

/** Whether at least half of the letters are Latin. */
function isLatin(text: string): boolean {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return (text.match(/\p{Script=Latin}/gu)?.length ?? 0) >= letters / 2;
}
