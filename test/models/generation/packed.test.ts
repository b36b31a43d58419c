// Generation from packed weights; packed.slow.test.ts has more formats.
import { testPacked } from "./packedLogits.js";

/** Sliding windows. */
testPacked([["gemma3_text", "int8"]]);
