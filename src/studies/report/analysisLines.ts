// The fitted lines of an analysis as rows of a table, and the notes below it.
import type { AnalyzedRun, LineFit, Phase } from "../../base/records/index.js";

/** A fitted line of a run, and the layers it fits. */
interface NamedLine {
  readonly layers: string;
  readonly phase: Phase | null;
  readonly fit: LineFit;
}

/** A run's lines for a table: first those of the phase that is compared with full fine-tuning, then those of other phases. */
export function linesOf({ fits }: AnalyzedRun): NamedLine[] {
  const { phase, all, kinds, phases = {}, phaseKinds = {} } = fits;
  const of = (phase: Phase | null, all: LineFit, kinds: Readonly<Record<string, LineFit>> = {}): NamedLine[] =>
    Object.entries({ all, ...kinds }).map(([layers, fit]) => ({ layers, phase, fit }));
  const others = (Object.entries(phases) as [Phase, LineFit][]).filter(([name]) => name !== phase);
  return [...of(phase, all, kinds), ...others.flatMap(([name, fit]) => of(name, fit, phaseKinds[name]))];
}

/** Notes about runs with several phases, and about runs with saved steps of retraining only. */
export function phaseNotes(runs: readonly AnalyzedRun[]): string[] {
  const several = runs.filter(({ fits }) => fits.phases !== undefined);
  const retrained = runs.filter(({ fits }) => fits.phase === "retrain");
  return [
    ...(several.length > 0
      ? [
          `For ${namesOf(several)}, the search is the phase that is compared with full fine-tuning, because magnitudes and directions move together there. Retraining freezes the upper level (BiDoRA: the magnitudes) and trains all else from scratch, so it has its own row.`,
        ]
      : []),
    ...(retrained.length > 0
      ? [
          `The line of ${namesOf(retrained)} fits retraining only, where the upper level is frozen (BiDoRA: the magnitudes): it shows how layers differ, not how training moves them. Use --save-every to keep steps of the search, which can be compared with full fine-tuning.`,
        ]
      : []),
  ];
}

const namesOf = (runs: readonly AnalyzedRun[]): string => runs.map(({ name }) => name).join(", ");
