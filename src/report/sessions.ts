import type { RunEvent } from "../train/events.js";

/**
 * Seconds that the sessions of a run took which were not its last: from each start to what was told before the next one. The last
 * one's are in its `done` event.
 */
export function secondsOfEarlierSessions(events: readonly RunEvent[]): number {
  const starts = events.flatMap((event, i) => (event.event === "start" ? [i] : []));
  const at = (i: number) => Date.parse(events[i]?.time ?? "");
  return starts.slice(1).reduce((sum, next, i) => sum + (at(next - 1) - at(starts[i] as number)) / 1000, 0);
}
