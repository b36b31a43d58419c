import { testPacked } from "./packedLogits.js";

/** Rotary and learned positions, and RoPE that changes at 48 tokens. */
testPacked([
  ["llama", "q8_0"],
  ["llama", "nf4"],
  ["gpt2", "q4_0"],
  ["phi3", "q8_0"],
]);
