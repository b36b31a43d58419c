// Generation from packed weights; packed.slow.test.ts has more formats.
import * as torch from "../../../src/torch/index.js";
import { testPacked } from "./packedLogits.js";

/** Where products can round their inputs to int8. */
const BYTES = torch.engineFacts().byteProducts ? ([["llama", "w8a8"]] as const) : [];

/** Rotary positions, and sliding windows. */
testPacked([...BYTES, ["gemma3_text", "int8"]]);
