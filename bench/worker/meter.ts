import type { Native } from "../../src/torch/native/interface.js";
import { native } from "../../src/torch/native/native.js";
import type { Metered } from "../turns/protocol.js";
import type { Work } from "./work.js";

type NativeFunction = (...args: readonly unknown[]) => unknown;

/** Runs the work with every native call timed, to measure how much of a step is spent outside them. */
export async function meter(work: Work, count: number): Promise<Metered> {
  const total = { milliseconds: 0, calls: 0 };
  const restore = timeCalls(native, total);
  const faults = () => process.resourceUsage().minorPageFault;
  const [began, faultsBefore] = [performance.now(), faults()];
  try {
    for (let i = 0; i < count; i++) await work();
  } finally {
    restore();
  }
  return {
    seconds: (performance.now() - began) / 1000 / count,
    nativeSeconds: total.milliseconds / 1000 / count,
    calls: total.calls / count,
    pageFaults: (faults() - faultsBefore) / count,
  };
}

function timeCalls(addon: Native, total: { milliseconds: number; calls: number }): () => void {
  const functions = addon as unknown as Record<string, NativeFunction>;
  const originals = { ...functions };
  for (const [name, original] of Object.entries(originals)) {
    functions[name] = (...args) => {
      const began = performance.now();
      try {
        return original(...args);
      } finally {
        total.milliseconds += performance.now() - began;
        total.calls += 1;
      }
    };
  }
  return () => void Object.assign(functions, originals);
}
