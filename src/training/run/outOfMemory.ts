import { BidoraError } from "../../base/index.js";
import { TorchError } from "../../torch/index.js";
import { MemoryNeed, type RunParts, settingsThatFit } from "./memoryNeed.js";

/** What libtorch's allocators say. */
const OUT_OF_MEMORY = /out of memory|can't allocate memory/i;
const TRIED = /tried to allocate ([\d.]+ \w+)/i;

/** Settings are looked for that need at most this share of the memory: what is counted is only a lower bound. */
const SHARE = 0.7;

/** Runs `body`. If it runs out of memory, the error says which settings need less. */
export async function advisingOnMemory<T>(run: RunParts, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof TorchError && OUT_OF_MEMORY.test(error.message))) throw error;
    throw outOfMemory(run, error);
  }
}

function outOfMemory(run: RunParts, cause: TorchError): BidoraError {
  const need = new MemoryNeed(run);
  const fitting = settingsThatFit(need, run.config, SHARE * need.with());
  const tried = TRIED.exec(cause.message)?.[1];
  const where = need.device === "cpu" ? "The process" : need.device;
  const what = tried === undefined ? "" : ` when it tried to allocate ${tried}`;
  const advice = fitting === undefined ? "use a smaller model, or fewer trained parameters" : `take ${fitting}`;
  return new BidoraError("MEMORY", `${where} ran out of memory${what}: ${advice}.`, { cause });
}
