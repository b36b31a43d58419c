import { hasFastBfloat16 } from "./engine.js";

/** What a computation can be asked for. */
export const COMPUTE_DTYPES = ["auto", "float32", "bfloat16"] as const;
export type ComputeDtype = (typeof COMPUTE_DTYPES)[number];

/** `auto` is bfloat16 where the processor multiplies it in hardware, else float32. */
export function computeDtype(choice: ComputeDtype): Exclude<ComputeDtype, "auto"> {
  if (choice !== "auto") return choice;
  return hasFastBfloat16() ? "bfloat16" : "float32";
}
