import { PHASES, type Phase } from "../common/run.js";
import type { AgainstFull, AnalyzedFits, AnalyzedLayer, AnalyzedStep, LineFit } from "../files/analysis.js";
import { leastSquares } from "./leastSquares.js";

/** The lines of one run: of the phase that compares with full fine-tuning, and of each where it has several. */
export function fitsOf(layers: readonly AnalyzedLayer[]): AnalyzedFits {
  const through = (wanted: (layer: AnalyzedLayer, step: AnalyzedStep) => boolean): LineFit =>
    leastSquares(
      layers.flatMap((layer) =>
        layer.steps.filter((step) => wanted(layer, step)).map(({ deltaD, deltaM }) => [deltaD, deltaM] as const),
      ),
    );
  const kinds = [...new Set(layers.map(({ kind }) => kind))];
  const phases = PHASES.filter((phase) => layers.some(({ steps }) => steps.some((step) => step.phase === phase)));
  const compared = comparedPhase(phases);
  const isCompared = (step: AnalyzedStep) => phases.length < 2 || step.phase === compared;
  return {
    phase: compared,
    all: through((_, step) => isCompared(step)),
    kinds: Object.fromEntries(
      kinds.map((kind) => [kind, through((layer, step) => layer.kind === kind && isCompared(step))]),
    ),
    ...(phases.length > 1 && {
      phases: Object.fromEntries(phases.map((phase) => [phase, through((_, step) => step.phase === phase)])),
    }),
  };
}

/** In a search magnitudes and directions move together, as in full fine-tuning; in retraining the magnitudes are frozen. */
const comparedPhase = (phases: readonly Phase[]): Phase | null =>
  phases.includes("search") ? "search" : (phases[0] ?? null);

/** A run's slope beside the mean of those of full fine-tuning; undefined where either has none. */
export function againstFull(
  { phase, all: { slope } }: AnalyzedFits,
  full: readonly { readonly name: string; readonly slope: number | null }[],
): AgainstFull | undefined {
  const sloped = full.flatMap((run) => (run.slope === null ? [] : [{ name: run.name, slope: run.slope }]));
  if (slope === null || sloped.length === 0) return undefined;
  const mean = sloped.reduce((sum, run) => sum + run.slope, 0) / sloped.length;
  return {
    phase,
    runs: sloped.map(({ name }) => name),
    slope: mean,
    difference: slope - mean,
    hasSameSign: Math.sign(slope) === Math.sign(mean),
  };
}
