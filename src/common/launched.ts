// What the launcher of several processes tells each of them.
import { dirname } from "node:path";
import { statOf } from "./fileSystem.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** The variable in which `bidora launch` passes on the time at which it began, in milliseconds. */
export const LAUNCHED = "BIDORA_LAUNCHED";

/** Whether this process was started by `bidora launch`, on whose terminal all ranks print. */
export const isLaunched = (environment: Environment = process.env): boolean => environment[LAUNCHED] !== undefined;

/** When the launcher began, in milliseconds, which a restart does not change; 0 if it does not say. */
export function launchBegan(environment: Environment = process.env): number {
  const own = environment[LAUNCHED];
  return own === undefined ? torchrunBegan(environment) : Number(own);
}

/** torchrun makes a folder RUN_ID_RANDOM when it begins, in which the file for errors is attempt_N/RANK/error.json. */
function torchrunBegan({ TORCHELASTIC_ERROR_FILE: file }: Environment): number {
  return (file && statOf(dirname(dirname(dirname(file))))?.birthtimeMs) || 0;
}
