// What the scores and costs of a run depend on beside its settings.
import type { CONDITIONS, RunConditions, RunEvent, StartEvent } from "../../../base/records/index.js";

export type Condition = keyof typeof CONDITIONS;

const isGiven = (value: unknown): value is string | number => typeof value === "string" || typeof value === "number";

/** The conditions without those that are unknown, or mean nothing for the method. */
export const known = (found: Readonly<Record<Condition, unknown>>): RunConditions =>
  Object.fromEntries(Object.entries(found).filter((entry): entry is [Condition, string | number] => isGiven(entry[1])));

/** The conditions of a run as it was started last. Software and processors are those of all sessions that trained. */
export function conditionsOf(last: StartEvent, events: readonly RunEvent[]): RunConditions {
  const { processes, rowsPerStep, settings, idle = [] } = last;
  const { dtype, baseDtype, magnitudeAxis } = settings;
  const trained = sessionsIn(events);
  const sessions = trained.length === 0 ? [last] : trained;
  const ofEach = (read: (session: StartEvent) => string | undefined) => joined(sessions.map(read));
  return known({
    ...{ processes, rowsPerStep, dtype, baseDtype: baseDtype ?? dtype },
    magnitudeAxis: idle.includes("magnitudeAxis") ? undefined : magnitudeAxis,
    bidora: ofEach(({ versions }) => versions.bidora),
    libtorch: ofEach(({ versions }) => versions.libtorch),
    processor: ofEach(({ machine: { device = "cpu", processor } }) => (device === "cpu" ? processor : device)),
  });
}

/** Between the values of a run's sessions. */
const THEN = " then ";

/** The distinct ones of values as one; undefined if none is known. */
const joined = (values: readonly (string | undefined)[]): string | undefined =>
  [...new Set(values)].filter((value) => value !== undefined).join(THEN) || undefined;

/** The beginnings of the sessions with optimizer steps. */
function sessionsIn(events: readonly RunEvent[]): StartEvent[] {
  const found = new Set<StartEvent>();
  let session: StartEvent | undefined;
  for (const event of events) {
    if (event.event === "start") session = event;
    else if (event.event === "step" && session) found.add(session);
  }
  return [...found];
}

/** A condition as runs of one method have to share it: with any processor, and any build of one version. */
export function sharedBy(key: Condition, conditions: RunConditions = {}): string | number | undefined {
  if (key === "processor") return undefined;
  const value = conditions[key];
  if (key !== "bidora" || value === undefined) return value;
  return joined(`${value}`.split(THEN).map((version) => version.split("+")[0]));
}
