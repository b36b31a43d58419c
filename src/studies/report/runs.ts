// Runs of a report with their events, and the values of their curves.
import { group } from "d3-array";
import { own } from "../../base/index.js";
import {
  type DoneEvent,
  type ErrorEvent,
  type EvaluationEvent,
  type Metrics,
  metricName,
  metricRows,
  metricsOf,
  type Phase,
  type RunEvent,
  type RunLog,
  type StartEvent,
  secondsOfEarlierSessions,
} from "../../base/records/index.js";

/** A run with its events by kind, its number in the report, and a name that no other run has. */
export interface Run {
  readonly index: number;
  readonly name: string;
  readonly isTorn: boolean;
  readonly start: StartEvent | undefined;
  readonly done: DoneEvent | undefined;
  /** The seconds of a finished run over all its sessions. */
  readonly seconds: number | undefined;
  readonly error: ErrorEvent | undefined;
  readonly watched: WatchedRows;
  of<E extends RunEvent["event"]>(event: E): readonly Extract<RunEvent, { event: E }>[];
}

/** One point of a curve. Each phase is a separate curve: the losses of search and retraining are not connected. */
export interface Point {
  readonly run: string;
  readonly phase: Phase;
  readonly step: number;
  readonly value: number;
}

export function toRuns(logs: readonly RunLog[]): Run[] {
  const names = uniqueNames(logs);
  return logs.map((log, index) => {
    // The start's evaluation is of the reported rows, and not a point of the curves of those that are watched.
    const trained = log.events.filter((event) => event.event !== "evaluation" || event.step > 0);
    const byKind = group(trained, ({ event }) => event);
    const of = (<E extends RunEvent["event"]>(event: E) => byKind.get(event) ?? []) as Run["of"];
    // A run that failed, was resumed and then finished has not failed.
    const done = of("done").at(-1);
    const error = done ? undefined : of("error").at(-1);
    const seconds = done && secondsOfEarlierSessions(log.events) + done.seconds;
    const start = of("start").at(-1);
    const isHolding = of("evaluation").some(({ metrics }) => Object.keys(metrics).some(isHeldOut));
    const watched = WATCHED[isHolding || isSet({ start }, "holdoutFraction") ? 1 : 0];
    return { index, name: names[index]!, isTorn: log.isTorn, start, done, seconds, error, watched, of };
  });
}

/** Unique names of runs. Runs of the same name get as much of their path as makes them different, or else a number. */
function uniqueNames(logs: readonly RunLog[]): string[] {
  const names = logs.map((log) =>
    nameAmong(
      log,
      logs.filter(({ name }) => name === log.name),
    ),
  );
  return numbered(names);
}

/** Names of which none is there twice: the second one gets a `(2)`. */
export const numbered = (names: readonly string[]): string[] =>
  names.map((name, i) => {
    const count = names.slice(0, i + 1).filter((one) => one === name).length;
    return count === 1 ? name : `${name} (${count})`;
  });

/** Runs of the same name all get paths of one length. */
function nameAmong(log: RunLog, namesakes: readonly RunLog[]): string {
  const tail = ({ name, place = [] }: RunLog, depth: number) => (depth === 1 ? name : place.slice(-depth).join("/"));
  const places = new Set(namesakes.map((one) => tail(one, Number.POSITIVE_INFINITY)));
  const longest = Math.max(...namesakes.map(({ place = [] }) => place.length), 1);
  for (let depth = 1; depth < longest; depth++)
    if (new Set(namesakes.map((one) => tail(one, depth))).size === places.size) return tail(log, depth);
  return tail(log, longest);
}

/** An event with a phase and a step. */
type Placed = Extract<RunEvent, { readonly phase: Phase; readonly step: number }>;

/** A field of a run's events as a curve. Values that are missing or not finite are left out. */
export function pointsOf<T extends Placed>(
  run: Run,
  events: readonly T[],
  read: (event: T) => number | undefined,
): Point[] {
  return events.flatMap((event) => {
    const value = read(event);
    const isPoint = Number.isFinite(value) && Number.isFinite(event.step);
    return isPoint ? [{ run: run.name, phase: event.phase, step: event.step, value: value! }] : [];
  });
}

/** The metrics at the end of a run, or those of its last evaluation so far. */
export const finalMetrics = (run: Run): Metrics => run.done?.metrics ?? metricsSoFar(run);

/** While a run is going, its metrics on held-out rows have no prefix. */
function metricsSoFar(run: Run): Metrics {
  const last = run.of("evaluation").at(-1)?.metrics ?? {};
  if (run.watched === WATCHED[0] || Object.keys(last).some(isHeldOut)) return last;
  return Object.fromEntries(Object.entries(last).map(([name, value]) => [metricName(name, "holdout"), value]));
}

const isHeldOut = (name: string): boolean => metricRows(name) === "holdout";

/** The rows that runs are evaluated on during training. */
export const WATCHED = ["validation rows", "held-out training rows"] as const;
export type WatchedRows = (typeof WATCHED)[number];

/** One event's metrics by their rows. The last event of a run with held-out rows has both kinds. Metrics on test rows are left out. */
export function metricsByRows(run: Run, { metrics }: EvaluationEvent): (readonly [WatchedRows, Metrics])[] {
  const [unnamed, heldOut] = [metricsOf(metrics, "validation"), metricsOf(metrics, "holdout")];
  const isEmpty = Object.keys(heldOut).length === 0;
  const byRows = [[isEmpty ? run.watched : WATCHED[0], unnamed] as const, [WATCHED[1], heldOut] as const];
  return byRows.filter(([, own]) => Object.keys(own).length > 0);
}

export const setting = ({ start }: Pick<Run, "start">, key: string) => own(start?.settings ?? {}, key);
const isSet = (run: Pick<Run, "start">, key: string): boolean => (setting(run, key) ?? null) !== null;

/**
 * The evaluations of one curve, one for each step. The final evaluation is left out if it is on other rows (because the run held
 * rows out) or of another state (because early stopping has restored the best one).
 */
function evaluationsOf(run: Run): readonly EvaluationEvent[] {
  const all = run.of("evaluation");
  const last = all.at(-1);
  const isOfEnd = last !== undefined && run.done !== undefined && (stopsEarly(run) || run.watched === WATCHED[1]);
  const kept = isOfEnd && all.length > 1 ? all.slice(0, -1) : all;
  const seen = new Set<number>();
  return kept.filter(({ step }) => !seen.has(step) && seen.add(step));
}

const stopsEarly = (run: Run): boolean => isSet(run, "earlyStopping");

/** A metric on the rows that were evaluated during training, as a curve. */
export function metricCurve(run: Run, name: string): Point[] {
  return pointsOf(run, evaluationsOf(run), (event) => {
    const found = metricsByRows(run, event).find(([of]) => of === run.watched);
    return own(found?.[1] ?? {}, name);
  });
}

/** The same if the run was evaluated on these rows; else an empty curve. */
export const metricCurveOn = (run: Run, name: string, rows: WatchedRows): Point[] =>
  run.watched === rows ? metricCurve(run, name) : [];

/** The names of all metrics with at least one value on any run's curve, in order of appearance. */
export function metricNames(runs: readonly Run[]): string[] {
  const evaluated = runs.flatMap((run) => evaluationsOf(run).flatMap((event) => metricsByRows(run, event)));
  const names = evaluated.flatMap(([, metrics]) =>
    Object.entries(metrics).filter(([, value]) => Number.isFinite(value)),
  );
  return [...new Set(names.map(([name]) => name))];
}

/** The value that early stopping restores in a phase: the best one, and the first of equal ones. */
export interface BestPoint extends Point {
  readonly metric: string;
}

/** The points that early stopping restored, one for each phase in which it watched evaluations. */
export function bestPoints(run: Run): BestPoint[] {
  const judged = run.start?.stopsBy ?? run.start?.judgedBy;
  if (!judged || !stopsEarly(run)) return [];
  const { metric, goal } = judged;
  const from = firstMoves(run);
  const points = metricCurve(run, metric).filter(
    ({ phase, step }) => !(phase === "search" && isSet(run, "searchPatience")) && step >= (from.get(phase) ?? 0),
  );
  const isBetter = (a: Point, b: Point) => (goal === "maximize" ? a.value > b.value : a.value < b.value);
  return phasesIn(points).map((phase) => {
    const own = points.filter((point) => point.phase === phase);
    return { metric, ...own.reduce((best, point) => (isBetter(point, best) ? point : best)) };
  });
}

/** The first step of each phase with a learning rate above 0: early stopping keeps no state from before. */
function firstMoves(run: Run): ReadonlyMap<Phase, number> {
  const moves = run.of("step").filter(({ learningRate }) => learningRate > 0);
  return new Map(moves.toReversed().map(({ phase, step }) => [phase, step]));
}

export const phasesIn = (points: readonly Point[]): Phase[] => [...new Set(points.map(({ phase }) => phase))];

/** The layer and the kind in a module's path: `encoder.layer.3.attention.self.query` is layer 3 of kind `attention.self.query`. */
export interface ModulePath {
  readonly layer: number;
  readonly kind: string;
}

export function modulePathOf(path: string): ModulePath {
  const parts = path.split(".");
  const at = parts.findIndex((part) => /^\d+$/.test(part));
  return at < 0 ? { layer: 0, kind: path } : { layer: Number(parts[at]), kind: parts.slice(at + 1).join(".") };
}
