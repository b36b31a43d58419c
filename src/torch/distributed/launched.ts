// What the launcher of several processes tells each of them.
import { basename, dirname } from "node:path";

/** The variable in which `bidora launch` passes on a name of its own, which no other launch has and a restart keeps. */
export const LAUNCHED = "BIDORA_LAUNCHED";

/** Whether this process was started by `bidora launch`, on whose terminal all ranks print. */
export const isLaunched = (): boolean => process.env[LAUNCHED] !== undefined;

/** A name of the launch that this process belongs to, the same after a restart; undefined if the launcher gives none. */
export const launchName = (): string | undefined => process.env[LAUNCHED] ?? torchrunName(process.env);

/**
 * torchrun makes a folder RUN_ID_RANDOM when it begins, in which the file for errors is attempt_N/RANK/error.json. Its run id alone may be
 * that of an earlier launch too.
 */
function torchrunName({
  TORCHELASTIC_ERROR_FILE: file,
  TORCHELASTIC_RUN_ID: id,
}: NodeJS.ProcessEnv): string | undefined {
  return file ? basename(dirname(dirname(dirname(file)))) : id;
}
