// A rank that is killed after a step, unless it has been started again: mortal.js RANK STEP SETTINGS
import { finetune } from "../../../dist/index.js";

const [rank, last, settings] = process.argv.slice(2);
const isMortal = process.env.RANK === rank && process.env.TORCHELASTIC_RESTART_COUNT === "0";
/** @param {import("../../../dist/index.js").RunEvent} event */
const observe = (event) => {
  if (isMortal && event.event === "step" && event.step === Number(last)) process.kill(process.pid, "SIGKILL");
};
await finetune(JSON.parse(String(settings)), { observers: [observe] });
