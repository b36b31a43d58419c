import { hasFastBfloat16 } from "./engine.js";

/** `auto` is bfloat16 where the processor multiplies it in hardware, else float32. */
export function computeDtype(choice: "auto" | "float32" | "bfloat16"): "float32" | "bfloat16" {
  if (choice !== "auto") return choice;
  return hasFastBfloat16() ? "bfloat16" : "float32";
}
