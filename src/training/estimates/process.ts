// The separate process that measures part of a run; its parent sends the settings.
import { type RunSettings, resolveRun } from "../../tasks/config/index.js";
import { preloadEngine } from "../../torch/native/index.js";
import { type ProcessMessage, serializeError } from "./messages.js";

const tell = (message: ProcessMessage) => new Promise<void>((resolve) => void process.send?.(message, () => resolve()));

async function work(settings: RunSettings): Promise<ProcessMessage> {
  try {
    const { measureRun } = await import("./measureRun.js");
    const onNote = (note: string) => void tell({ note });
    return { estimate: await measureRun(resolveRun(settings), { onNote }) };
  } catch (error) {
    return { error: serializeError(error) };
  }
}

preloadEngine();
process.once("disconnect", () => process.exit(1));
process.once("message", (settings: RunSettings) => {
  void work(settings).then(async (message) => {
    await tell(message);
    process.exit(0);
  });
});
