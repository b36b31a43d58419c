import * as torch from "../../src/torch/index.js";
import { random } from "../products/random.js";
import { releaseResult } from "../products/turns.js";
import type { ReadSpec } from "../protocol.js";
import type { Prepared } from "./work.js";

/** A sum over numbers in memory, by all threads: as fast as they can be read. */
export function reading({ bytes }: ReadSpec): Prepared {
  const numbers = random([Math.round(bytes / torch.DTYPE_BYTES.float32)], "float32");
  return { work: () => torch.noGrad(() => releaseResult(() => torch.sum(numbers))) };
}
