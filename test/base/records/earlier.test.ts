import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { finetune } from "../../../src/app/commands/finetune.js";
import { evaluate } from "../../../src/app/commands/models/evaluate.js";
import type { RunEvent } from "../../../src/base/records/events.js";
import { writeAnalysis, writeReport } from "../../../src/studies/report/writeReport.js";
import { EARLIER_ROOT } from "../../support/golden.js";

// Files that the first version wrote (test/golden/earlier/make.mjs), which every later one must read.
const EARLIER = "test/golden/earlier";
const work = mkdtempSync(join(tmpdir(), "bidora-earlier-"));
const before = process.cwd();
beforeAll(() => process.chdir(EARLIER_ROOT));
afterAll(() => process.chdir(before));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8"));

/** The settings that a run's log begins with, without its folder. */
function settingsOf(folder: string): Record<string, unknown> {
  const [start] = readFileSync(join(folder, "events.jsonl"), "utf8").split("\n");
  return (JSON.parse(start ?? "") as { settings: Record<string, unknown> }).settings;
}

/** The headings and captions of a folder's report. */
async function headingsOf(folder: string): Promise<string[]> {
  const page = join(work, "report.html");
  await writeReport(page, [folder]);
  const found = readFileSync(page, "utf8").matchAll(/<(h1|h2|caption|strong)\b[^>]*>([^<]*)/g);
  return [...found].map(([, , text]) => text ?? "");
}

describe("files of the first version", () => {
  test("a stopped run resumes from its checkpoint and ends like the run that was not stopped", async () => {
    const output = join(work, "stopped");
    cpSync(join(EARLIER, "stopped"), output, { recursive: true });
    const { idle } = JSON.parse(readFileSync(join(output, "events.jsonl"), "utf8").split("\n")[0] ?? "") as {
      idle: string[];
    };
    const acting = Object.entries(settingsOf(output)).filter(([key]) => !idle.includes(key));
    const events: RunEvent[] = [];
    const { metrics } = await finetune(
      { ...Object.fromEntries(acting), output, resume: true },
      {
        observers: [(event) => events.push(event)],
      },
    );
    expect(events.find((event) => event.event === "step")?.step).toBe(4);
    const expected = readJson(join(EARLIER, "finished", "metrics.json")) as Record<string, number>;
    expect(Object.keys(metrics)).toEqual(Object.keys(expected));
    for (const [name, value] of Object.entries(expected)) expect(metrics[name]).toBeCloseTo(value, 4);
  });

  test("a finished run's adapter gives the metrics that were written", async () => {
    const { metrics } = await evaluate({
      model: "test/golden/bert/dropout",
      adapter: join(EARLIER, "finished"),
      data: "test/golden/rows/pairs.jsonl",
      dtype: "float32",
    });
    const expected = readJson(join(EARLIER, "finished", "metrics.json")) as Record<string, number>;
    expect(metrics.accuracy).toBe(expected.accuracy);
    expect(metrics.loss).toBeCloseTo(expected.loss!, 4);
  });

  test("reports show a run, its predictions, a comparison, and a quickstart of the first version", async () => {
    expect(await headingsOf(join(EARLIER, "finished"))).toEqual(
      expect.arrayContaining(["Run finished", "Scores of each class on validation rows"]),
    );
    expect(await headingsOf(join(EARLIER, "comparison"))).toEqual(
      expect.arrayContaining(["Paired differences", "Movement of the magnitudes"]),
    );
    expect(await headingsOf(join(EARLIER, "quickstart"))).toContain("2 runs: dora, lora");
  });

  test("an analysis is drawn", async () => {
    const files = { page: join(work, "analysis.html"), data: join(work, "analysis.json") };
    await writeAnalysis(files, readJson(join(EARLIER, "finished", "analysis.json")));
    expect(readFileSync(files.page, "utf8")).toContain("Magnitude over direction");
    expect(readFileSync(files.data, "utf8")).toBe(readFileSync(join(EARLIER, "finished", "analysis.json"), "utf8"));
  });
});
