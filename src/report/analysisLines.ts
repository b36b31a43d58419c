import type { AnalyzedRun, LineFit } from "../files/analysis.js";
import type { Phase } from "../files/events.js";

/** A line of a run, and whose points it goes through. */
export interface NamedLine {
  readonly layers: string;
  readonly phase: Phase | null;
  readonly fit: LineFit;
}

/** A run's lines for a table: that of all layers first, in the phase that compares with full fine-tuning, other phases last. */
export function linesOf({ fits }: AnalyzedRun): NamedLine[] {
  const { phase, all, kinds, phases = {} } = fits;
  const of = (layers: string, fit: LineFit): NamedLine => ({ layers, phase, fit });
  const single = Object.entries(kinds).map(([kind, fit]) => of(kind, fit));
  const others = (Object.entries(phases) as [Phase, LineFit][]).filter(([name]) => name !== phase);
  return [of("all", all), ...single, ...others.map(([phase, fit]): NamedLine => ({ layers: "all", phase, fit }))];
}

/** What the phases of runs mean for their lines: nothing where each has but one that compares. */
export function phaseNotes(runs: readonly AnalyzedRun[]): string[] {
  const several = runs.filter(({ fits }) => fits.phases !== undefined);
  const retrained = runs.filter(({ fits }) => fits.phase === "retrain");
  return [
    ...(several.length > 0
      ? [
          `The phase of ${namesOf(several)} that compares with full fine-tuning is the search: magnitudes and directions move together there. In retraining the magnitudes are frozen and the directions start over, so its line has a row of its own.`,
        ]
      : []),
    ...(retrained.length > 0
      ? [
          `The line of ${namesOf(retrained)} goes through retraining alone, where the magnitudes are frozen: it tells how layers differ, not how training moves them. --save-every keeps steps of the search, which compare with full fine-tuning.`,
        ]
      : []),
  ];
}

const namesOf = (runs: readonly AnalyzedRun[]): string => runs.map(({ name }) => name).join(", ");
