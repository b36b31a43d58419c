import { BidoraError } from "../../common/errors.js";

export function ggufError(file: string, what: string, options?: ErrorOptions): BidoraError {
  return new BidoraError("GGUF", `${file}: ${what}`, options);
}
