import type { RunEvent } from "../train/events.js";

/**
 * Seconds that the sessions of a run took which were not its last: from each start to what was told before the next one. The last
 * one's are in its `done` event.
 */
export function secondsOfEarlierSessions(events: readonly RunEvent[]): number {
  const starts = events.flatMap((event, i) => (event.event === "start" ? [i] : []));
  const at = (i: number) => timeOf(events[i]);
  return starts.slice(1).reduce((sum, next, i) => sum + at(next - 1) - at(starts[i] as number), 0);
}

/**
 * For each event of a run that has ended, how long the run had taken by then in all its sessions: on the clock that says what it took
 * in the end. Time between sessions does not count.
 */
export function secondsAtEvents(events: readonly RunEvent[]): number[] {
  const starts = events.filter(({ event }) => event === "start");
  const done = events.findLast((event) => event.event === "done");
  // The clock of a run begins a little before it tells of its start.
  const lastBegan = timeOf(done) - (done?.seconds ?? Number.NaN);
  const began = starts.map((start, session) => (session === starts.length - 1 ? lastBegan : timeOf(start)));
  let [session, before] = [-1, 0];
  return events.map((event, i) => {
    if (event.event === "start") {
      if (session >= 0) before += timeOf(events[i - 1]) - (began[session] as number);
      session++;
    }
    return before + timeOf(event) - (began[session] ?? Number.NaN);
  });
}

const timeOf = (event: RunEvent | undefined): number => Date.parse(event?.time ?? "") / 1000;
