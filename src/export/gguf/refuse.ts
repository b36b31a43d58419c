import { BidoraError } from "../../common/errors.js";

/** What llama.cpp would compute otherwise, or not at all. */
export const exportError = (what: string): BidoraError =>
  new BidoraError("EXPORT", `The model can't be written as GGUF: ${what}`);
