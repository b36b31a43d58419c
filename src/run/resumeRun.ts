import { settingsOf } from "../config/index.js";
import { arithmetic } from "../operators/choose.js";
import { engineFacts } from "../torch/index.js";
import { type FoundCheckpoint, findCheckpoint } from "../train/resume.js";
import type { Prepared } from "./prepare.js";
import type { ProvenanceSource } from "./provenanceSource.js";
import { plansOf } from "./runPlans.js";

/**
 * The checkpoint that a resumed run goes on from.
 * @param onNote told when it is not the newest, and when the run will not have the same bits
 * @throws BidoraError as `findCheckpoint`
 */
export async function checkpointToResume(
  prepared: Prepared,
  provenance: ProvenanceSource,
  onNote: (note: string) => void = () => {},
): Promise<FoundCheckpoint> {
  const { config, adapted } = prepared;
  const found = await findCheckpoint({
    folder: config.output,
    config,
    settings: settingsOf(config),
    madeFrom: await provenance.find(),
    plans: plansOf(prepared),
    trained: adapted.trained,
    hooks: adapted.hooks,
  });
  for (const damaged of found.damaged) onNote(`${damaged}: going on from ${found.path}.`);
  for (const difference of arithmeticDifferences(found)) {
    onNote(`${difference}: the result may differ in its last bits from that of a run that went through.`);
  }
  return found;
}

function arithmeticDifferences({ path, state }: FoundCheckpoint): string[] {
  const [{ threads }, kind] = [engineFacts(), arithmetic()];
  return [
    ...(threads === state.threads
      ? []
      : [`${path} was computed with --threads ${state.threads}, now there are ${threads}`]),
    ...(state.arithmetic === undefined || state.arithmetic === kind
      ? []
      : [`${path} was computed with ${state.arithmetic}, now it is ${kind}`]),
  ];
}
