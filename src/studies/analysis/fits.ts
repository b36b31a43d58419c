// Regression lines of ΔM over ΔD, and how they compare with full fine-tuning.
import { PHASES, type Phase } from "../../base/index.js";
import type {
  AgainstFull,
  AnalyzedFits,
  AnalyzedLayer,
  AnalyzedRun,
  AnalyzedStep,
  LineFit,
} from "../../base/records/index.js";
import { modulePathOf } from "../report/runs.js";
import { type AnalyzedFolder, isFull } from "./analyzedRuns.js";
import { lineOfLayers } from "./lines.js";
import type { RunTrajectory } from "./trajectories.js";

/** The lines of one run: for the phase that compares with full fine-tuning, and for each phase if there are several. */
export function fitsOf(layers: readonly AnalyzedLayer[]): AnalyzedFits {
  const through = (wanted: (layer: AnalyzedLayer, step: AnalyzedStep) => boolean): LineFit =>
    lineOfLayers(
      layers.map((layer) =>
        layer.steps.filter((step) => wanted(layer, step)).map(({ deltaD, deltaM }) => [deltaD, deltaM] as const),
      ),
    );
  const kinds = [...new Set(layers.map(({ kind }) => kind))];
  const byKind = (wanted: (step: AnalyzedStep) => boolean) =>
    Object.fromEntries(
      kinds.map((kind) => [kind, through((layer, step) => layer.kind === kind && wanted(step))] as const),
    );
  const phases = PHASES.filter((phase) => layers.some(({ steps }) => steps.some((step) => step.phase === phase)));
  const compared = comparedPhase(phases);
  const isCompared = (step: AnalyzedStep) => phases.length < 2 || step.phase === compared;
  return {
    phase: compared,
    all: through((_, step) => isCompared(step)),
    kinds: byKind(isCompared),
    ...(phases.length > 1 && {
      phases: Object.fromEntries(phases.map((phase) => [phase, through((_, step) => step.phase === phase)])),
      phaseKinds: Object.fromEntries(phases.map((phase) => [phase, byKind((step) => step.phase === phase)])),
    }),
  };
}

/** In a search magnitudes and directions move together, as in full fine-tuning; in retraining the upper level is frozen. */
const comparedPhase = (phases: readonly Phase[]): Phase | null =>
  phases.includes("search") ? "search" : (phases[0] ?? null);

/** A run's slope against the mean slope of full fine-tuning; undefined if either is missing. */
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

/** All runs with their lines, and each slope against that of full fine-tuning if there is one. */
export function analyzedRuns(
  folders: readonly AnalyzedFolder[],
  trajectories: readonly RunTrajectory[],
): AnalyzedRun[] {
  const kinds = kindsOf(trajectories.flatMap(({ layers }) => layers.map(({ path }) => path)));
  const runs = folders.map((folder, at) => ({ folder, run: analyzedRun(folder, trajectories[at]!, kinds) }));
  return runs.map((one) => {
    const compared = isFull(one.folder) ? undefined : comparedWithFull(one, runs);
    return { ...one.run, ...(compared && { againstFull: compared }) };
  });
}

interface Described {
  readonly folder: AnalyzedFolder;
  readonly run: AnalyzedRun;
}

function analyzedRun(
  { name, path, method }: AnalyzedFolder,
  { model, layers: found }: RunTrajectory,
  kinds: ReadonlyMap<string, string>,
): AnalyzedRun {
  const layers = found.map(({ path: module, vectors, steps }): AnalyzedLayer => {
    const { layer } = modulePathOf(module);
    return { path: module, layer, kind: kinds.get(module)!, vectors, steps };
  });
  return { name, path, method, model, layers, fits: fitsOf(layers) };
}

/** Slopes are compared between runs of one model and one task, over the layers that all of them have. */
function comparedWithFull({ folder, run }: Described, runs: readonly Described[]): AgainstFull | undefined {
  const full = runs.filter(
    (other) => isFull(other.folder) && other.run.model === run.model && isOfOneTask(other.folder, folder),
  );
  const isCommon = ({ path }: AnalyzedLayer) =>
    full.every((other) => other.run.layers.some((layer) => layer.path === path));
  const common = run.layers.filter(isCommon);
  const paths = new Set(common.map(({ path }) => path));
  const linesOf = (layers: readonly AnalyzedLayer[]) => fitsOf(layers.filter(({ path }) => paths.has(path)));
  return againstFull(
    linesOf(run.layers),
    full.map((other) => ({ name: other.run.name, slope: linesOf(other.run.layers).all.slope })),
  );
}

/** Whether runs are in the same task of a comparison or, elsewhere, were trained on the same data as far as is known. */
export function isOfOneTask(a: AnalyzedFolder, b: AnalyzedFolder): boolean {
  const keys = ["task", "data", "train"] as const;
  const isSame = keys.every((key) => a.settings[key] === b.settings[key]);
  const isTold = a.settings.task !== undefined && b.settings.task !== undefined;
  return a.group === b.group && (isSame || !isTold);
}

/**
 * The kind of each layer in the stack, by the shortest name that is unique: `query` for `encoder.layer.3.attention.self.query`, but
 * `attention.output.dense` where there is an `output.dense` too.
 */
export function kindsOf(paths: readonly string[]): ReadonlyMap<string, string> {
  const whole = [...new Set(paths.map((path) => modulePathOf(path).kind))];
  const short = new Map(whole.map((kind) => [kind, shortest(kind, whole)]));
  return new Map(paths.map((path) => [path, short.get(modulePathOf(path).kind)!]));
}

function shortest(kind: string, all: readonly string[]): string {
  const names = kind.split(".");
  const ends = names.map((_, at) => names.slice(names.length - 1 - at).join("."));
  const isTaken = (end: string) => all.some((other) => other !== kind && (other === end || other.endsWith(`.${end}`)));
  return ends.find((end) => !isTaken(end)) ?? kind;
}
