/** Memory of the process, given back to the system while there is nothing to compute. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { returnFreedMemory } from "../../torch/index.js";

/** Node collects garbage when it allocates, which it does not while it waits: it is told to. */
export function returnMemory(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect({ execution: "async" });
  setTimeout(returnFreedMemory, COLLECTED).unref();
}

/** Milliseconds after which the garbage has been collected. */
const COLLECTED = 1000;
