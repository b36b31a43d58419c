// The overhead of a step outside libtorch.
import { type Context, own, type Setting, settingName } from "../context.js";
import { type Row, single } from "../rows.js";
import { startWorker } from "../turns/workerProcess.js";

/** The share of a step's time spent outside native calls. */
export async function overhead(context: Context, setting: Setting): Promise<Row[]> {
  const rows: Row[] = [];
  for (const method of ["lora", "bidora"] as const) {
    const side = own(context, setting, {
      task: "train",
      method,
      precision: "bfloat16",
      hypergradient: "exact",
    });
    const { worker } = await startWorker(side);
    try {
      const { seconds, nativeSeconds, calls } = await worker.ask({
        command: "meter",
        count: context.effort.counts * 2,
      });
      rows.push({
        what: `Outside native calls, ${method === "lora" ? "LoRA step" : "BiDoRA search step"}`,
        setting: settingName(setting),
        against: "the whole step",
        goal: { atMost: 0.02 },
        ratio: single((seconds - nativeSeconds) / seconds),
        ours: `${((seconds - nativeSeconds) * 1000).toFixed(1)} ms, ${calls.toFixed(0)} calls`,
        theirs: `${(seconds * 1000).toFixed(0)} ms`,
      });
    } finally {
      await worker.end();
    }
  }
  return rows;
}
