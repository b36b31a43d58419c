import { expect, test } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import { renderReport } from "../../../src/studies/report/renderReport.js";
import { sampleRun } from "./sampleRuns.js";

/** A run that is evaluated after every step. */
function longRun(steps: number) {
  const { events, ...log } = sampleRun({ name: "long", method: "bidora", steps: 20 });
  const [start] = events as [RunEvent];
  const time = start.time;
  const phase = "search";
  const layers = { "bert.encoder.layer.0.attention.self.query": 0.1, "bert.encoder.layer.1.attention.self.query": 0.2 };
  const body = Array.from({ length: steps }, (_, i): RunEvent[] => {
    const [step, value] = [i + 1, i === 6789 ? 77 : 1 / (i + 1)];
    return [
      {
        time,
        event: "step",
        phase,
        step,
        loss: value,
        upperLoss: value,
        learningRate: 1e-3,
        seconds: 1e-3,
        rows: 4,
        tokens: 60,
      },
      { time, event: "magnitudes", phase, step, layers },
      { time, event: "evaluation", phase, step, metrics: { loss: value, accuracy: 0.5 } },
    ];
  });
  return { ...log, events: [start, ...body.flat()] };
}

test("a report of 20 000 steps, each evaluated, is drawn in seconds, stays small and shows its extremes", () => {
  const began = process.cpuUsage();
  const html = renderReport([longRun(20_000)]);
  const { user, system } = process.cpuUsage(began);
  expect((user + system) / 1e6).toBeLessThan(10);
  expect(html.length).toBeLessThan(2e6);
  expect(html).toContain("Metrics at each evaluation (1000 of 20,000)");
  // The only high value among the losses is on their axis.
  expect(html).toMatch(/>80</);
});
