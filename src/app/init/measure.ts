/** What a new run will take, if its model is on this machine. */
import { BidoraError, formatBytes, formatCount, formatSeconds, HINTED_COMMAND, shellLine } from "../../base/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import { modelFolder } from "../../formats/index.js";
import type { AskedRun, RunConfig } from "../../tasks/config/index.js";
import { type Estimate, estimateRun } from "../../training/estimates/index.js";
import { readRunData, startOf } from "../../training/run/index.js";

/** An estimate as one sentence, or why there is none. */
export interface Measured {
  readonly estimate?: Estimate;
  readonly text: string;
}

interface MeasureOptions extends HubContext {
  /** How the run is named in commands. */
  readonly file: string;
}

/** Downloads nothing. @throws UsageError, BidoraError as the run itself for its model and rows */
export async function measure(
  asked: AskedRun,
  config: RunConfig,
  { file, ...context }: MeasureOptions,
): Promise<Measured> {
  const local = { ...context, hub: { ...context.hub, offline: true } };
  if (!(await isLocal(config, local)))
    return {
      text: `${config.model} is not on this machine: \`${commandFor("estimate", file)}\` downloads it, and says what the run takes.`,
    };
  await readRunData(await startOf(asked, local), local);
  try {
    const estimate = await estimateRun(asked, local);
    return { estimate, text: textOf(estimate) };
  } catch (error) {
    if (!(error instanceof BidoraError) || !OF_MACHINE.test(error.code)) throw error;
    return { text: `Not estimated: ${error.message}` };
  }
}

/** A command on the run file, as a shell takes it. */
export const commandFor = (command: string, file: string): string => `${HINTED_COMMAND} ${shellLine([command, file])}`;

/** Errors of this machine rather than of the run. */
const OF_MACHINE = /^(ENGINE|MEMORY|ESTIMATE)/;

async function isLocal({ model, revision, adapter }: RunConfig, context: HubContext): Promise<boolean> {
  try {
    await modelFolder(model, context, revision);
    if (adapter !== undefined) await modelFolder(adapter, context);
    return true;
  } catch (error) {
    if (error instanceof BidoraError && error.code === "HUB_OFFLINE") return false;
    throw error;
  }
}

function textOf({ parameters, peakMemoryBytes, seconds, steps }: Estimate): string {
  const { total, trained } = parameters;
  return `Estimated on this machine: ${formatCount(trained)} of ${formatCount(total)} parameters trained, ${formatCount(steps)} steps, ${formatSeconds(seconds)}, ${formatBytes(peakMemoryBytes)} of memory.`;
}
