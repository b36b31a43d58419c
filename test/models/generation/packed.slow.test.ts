import * as torch from "../../../src/torch/index.js";
import { testPacked } from "./packedLogits.js";

/** Where products can round their inputs to int8. */
const BYTES = torch.engineFacts().byteProducts ? ([["llama", "w8a8"]] as const) : [];

/** Rotary and learned positions, and RoPE that changes at 48 tokens. */
testPacked([...BYTES, ["llama", "q8_0"], ["llama", "nf4"], ["gpt2", "q4_0"], ["phi3", "q8_0"]]);
