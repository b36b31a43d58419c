import * as torch from "../../src/torch/index.js";
import { random } from "../products/random.js";
import { releaseResult } from "../products/turns.js";
import type { ReadSpec } from "../turns/protocol.js";
import type { Prepared } from "./work.js";

/** Sums numbers in memory with all threads, which runs at memory bandwidth. */
export function reading({ bytes }: ReadSpec): Prepared {
  const numbers = random([Math.round(bytes / torch.DTYPE_BYTES.float32)], "float32");
  return { work: () => torch.noGrad(() => releaseResult(() => torch.sum(numbers))), facts: { bytes } };
}
