import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { type RunLog, renderReport } from "../../src/report/index.js";
import type { RunEvent } from "../../src/train/events.js";
import { sampleRun } from "./sampleRuns.js";

interface Element {
  readonly textContent: string;
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
  getAttribute(name: string): string | null;
}

const parse = (page: string): Element => parseHTML(page).document as unknown as Element;
const all = (page: Element, selector: string): Element[] => [...page.querySelectorAll(selector)];
const texts = (page: Element, selector: string): string[] =>
  all(page, selector).map(({ textContent }) => textContent.trim());

const three = (["lora", "dora", "bidora"] as const).map((method) => sampleRun({ name: method, method, steps: 60 }));
const changed = (log: RunLog, change: (event: RunEvent) => RunEvent | undefined): RunLog => ({
  ...log,
  events: log.events.flatMap((event) => change(event) ?? []),
});

describe("a report of three runs", () => {
  const source = renderReport(three);
  const page = parse(source);

  it("has its figures, each with a caption and each drawing with a text in its place", () => {
    expect(texts(page, "figure h2")).toEqual([
      "Training loss",
      "Validation",
      "Search: the upper level",
      "Movement of the magnitudes",
      "Learning rate",
    ]);
    expect(texts(page, "figcaption").every((caption) => caption.length > 20)).toBe(true);
    const drawings = all(page, "figure svg.plot");
    expect(drawings.length).toBe(1 + 3 + 2 + 4 + 1);
    for (const drawing of drawings) {
      expect(drawing.getAttribute("role")).toBe("img");
      expect(drawing.getAttribute("aria-label")).toMatch(/ (from|moved)/);
    }
  });

  it("draws all runs' losses in one figure, in their own colours, search and retraining apart", () => {
    const [loss] = all(page, "figure svg.plot");
    const strokes = all(loss!, '[aria-label="line"]').map((line) => line.getAttribute("stroke"));
    for (const run of [0, 1, 2]) expect(strokes.filter((stroke) => stroke === `var(--run-${run})`)).toHaveLength(2);
    const paths = all(loss!, '[aria-label="line"]').map((line) => all(line, "path").length);
    expect(paths).toEqual([1, 1, 2, 1, 1, 2]);
    expect(loss!.textContent).toContain("retraining");
  });

  it("puts results in a row a run", () => {
    const rows = all(page, "table.figures")[0]!;
    expect(texts(rows, "thead th").slice(0, 5)).toEqual([
      "Run",
      "Validation loss",
      "Accuracy",
      "F1",
      "Trained parameters",
    ]);
    expect(texts(rows, "tbody th")).toEqual(["lora", "dora", "bidora"]);
    const cells = texts(rows, "tbody td");
    expect(cells.slice(0, 6)).toEqual(["0.3620", "0.8603", "0.8998", "222,722", "0.98 %", "60"]);
    expect(cells.slice(-3)).toEqual(["16.2 s", expect.stringMatching(/^9,\d{3}$/), "785 MiB"]);
  });

  it("tells apart the settings that differ and those that all runs share", () => {
    expect(texts(page, "table.text tbody tr")[0]).toBe("methodloradorabidora");
    expect(texts(page, "table.text tbody th")).toEqual(["method", "hypergradient", "xi", "searchFraction"]);
    expect(texts(page, "dl div")).toContain("targetModulesquery, value");
    expect(texts(page, "dl div")).toContain("Memory7,915 MiB");
  });

  it("needs nothing beside it and has both themes", () => {
    expect(all(page, "script, link, img, iframe, object")).toEqual([]);
    expect(source).not.toMatch(/https?:|url\(|@import|@font-face|\bsrc=|\bhref=/);
    expect(source).toContain("prefers-color-scheme:dark");
    expect(page.querySelector("title")!.textContent).toBe("lora, dora, bidora – training report");
    expect(page.querySelector("html")!.getAttribute("lang")).toBe("en");
  });

  it("holds no NaN, undefined or infinity", () => {
    expect(source).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  it("is the same at every call", () => {
    expect(renderReport(three)).toBe(source);
  });
});

describe("what a log may hold", () => {
  it("is escaped wherever it goes", () => {
    const evil = `<img src=x onerror="alert(1)">'&`;
    const log = changed(sampleRun({ name: evil, method: "dora", steps: 30, settings: { [evil]: evil } }), (event) => {
      if (event.event === "evaluation") return { ...event, metrics: { [evil]: 0.5 } };
      if (event.event === "magnitudes") return { ...event, layers: { [`layer.1.${evil}`]: 0.1 } };
      if (event.event === "done") return { event: "error", time: event.time, code: evil, message: evil };
      return event;
    });
    const page = parse(renderReport([log, log]));
    expect(all(page, "img, script")).toEqual([]);
    const names = all(page, "*").flatMap(({ attributes }) => [...attributes].map(({ name }) => name));
    expect(names.filter((name) => name.startsWith("on"))).toEqual([]);
    for (const selector of ["h1", ".alert", ".legend", "figure h3", "circle title", "code", "dd", "tbody th"]) {
      expect(texts(page, selector).join(), selector).toContain(evil);
    }
    expect(
      all(page, "svg.plot").filter((svg) => svg.getAttribute("aria-label")!.includes(evil)).length,
    ).toBeGreaterThan(2);
  });

  it("may be values that JSON could not hold", () => {
    const log = changed(three[2]!, (event) => {
      if (event.event === "step" && event.step % 3 === 0) return { ...event, loss: null as unknown as number };
      if (event.event === "evaluation") return { ...event, metrics: { accuracy: Number.NaN } };
      if (event.event === "done") return { ...event, metrics: {}, seconds: Number.NaN };
      return event;
    });
    expect(renderReport([log])).not.toMatch(/NaN|null|undefined|Infinity/);
  });

  it("may be a start and nothing else", () => {
    const page = parse(renderReport([{ ...three[0]!, events: three[0]!.events.slice(0, 1) }]));
    expect(texts(page, ".alert")[0]).toContain("before its first step");
    expect(all(page, "figure")).toEqual([]);
    expect(texts(page, "tbody td").slice(-4)).toEqual(["–", "–", "–", "–"]);
  });

  it("may be a single step", () => {
    expect(renderReport([{ ...three[0]!, events: three[0]!.events.slice(0, 2) }])).not.toMatch(/NaN|undefined/);
  });

  it("may be a run that was killed, or failed", () => {
    const cut = three[2]!.events.slice(0, -1);
    const killed = parse(renderReport([{ ...three[2]!, events: cut, isTorn: true }]));
    expect(texts(killed, ".alert")[0]).toBe(
      "bidora has not ended: its log stops after step 120, in the middle of a line. It still runs, or was stopped.",
    );
    const error: RunEvent = { event: "error", time: "", code: "LOSS_NOT_FINITE", message: "The loss is not finite." };
    const failed = parse(renderReport([{ ...three[2]!, events: [...cut, error] }]));
    expect(texts(failed, ".alert")[0]).toContain("failed after step 120: The loss is not finite. (LOSS_NOT_FINITE)");
  });

  it("may be the log of a method without magnitudes or search", () => {
    const page = parse(renderReport([three[0]!]));
    expect(texts(page, "figure h2")).toEqual(["Training loss", "Validation", "Learning rate"]);
    expect(all(page, ".legend")).toEqual([]);
  });
});

it("gives runs of one name different ones, and stays small for long runs", () => {
  const long = sampleRun({ name: "same", method: "bidora", steps: 8000 });
  const source = renderReport([long, long]);
  expect(texts(parse(source), ".legend li")).toEqual(["same", "same (2)"]);
  expect(source.length).toBeLessThan(400_000);
});
