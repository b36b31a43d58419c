import type { Prepared } from "../prepare.js";
import type { PhaseCost } from "./phases.js";

const isWhole = ({ sampled: { reached, heaviest } }: PhaseCost): boolean => reached >= heaviest;

/** What was tried of phases whose heaviest step was among it. */
export function notesOf(phases: readonly PhaseCost[]): string[] {
  return phases
    .filter(isWhole)
    .map(
      ({ phase, steps, sampled: { count, heaviest } }) =>
        `${count} of ${steps} steps of ${phase} were tried, the heaviest (${heaviest} tokens) among them: expect memory within 15 % and time within 30 % on a machine that is as busy as it is now.`,
    );
}

/** What may make the figures wrong. */
export function warningsOf({ config }: Pick<Prepared, "config">, phases: readonly PhaseCost[]): string[] {
  const { earlyStopping, searchPatience, resume } = config;
  const untried = phases
    .filter((phase) => !isWhole(phase))
    .map(
      ({ phase, sampled: { reached, heaviest } }) =>
        `No whole step of ${phase} was tried: the heaviest has ${heaviest} tokens, and time and memory are a straight line on from ${reached}. They may be off by a half.`,
    );
  return [
    ...untried,
    ...(earlyStopping !== undefined || searchPatience !== undefined
      ? ["Early stopping may end the run sooner: steps and time are the most."]
      : []),
    ...(resume ? ["The figures are those of the whole run, from its first step."] : []),
  ];
}
