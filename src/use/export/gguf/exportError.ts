import { BidoraError } from "../../../base/index.js";

/** An error for a model that llama.cpp would compute differently or not at all. */
export const exportError = (what: string): BidoraError =>
  new BidoraError("EXPORT", `The model can't be written as GGUF: ${what}`);
