import { describe, expect, it } from "vitest";
import { formatSeconds } from "../../../src/base/format.js";
import type { RunEvent } from "../../../src/base/records/events.js";
import { renderReport } from "../../../src/studies/report/renderReport.js";
import { all, changed, parse, texts } from "./page.js";
import { heldOutRun, sampleRun } from "./sampleRuns.js";

const three = (["lora", "dora", "bidora"] as const).map((method) => sampleRun({ name: method, method, steps: 60 }));
it("the page says which runs used the validation score for selection", () => {
  const early = { earlyStopping: 3, evalEvery: 8 };
  const [plain, stopped, held] = [{}, early, { ...early, holdoutFraction: 0.2 }].map((settings, i) =>
    sampleRun({ name: `run-${i}`, method: "lora", steps: 20, settings }),
  );
  const noteOf = (...logs: Parameters<typeof renderReport>[0][number][]) =>
    texts(parse(renderReport(logs)), "#results .note").filter((text) => text.startsWith("Early stopping"));
  expect(noteOf(stopped!)).toEqual([
    "Early stopping kept the state that was best on the validation rows: the validation score was used for selection, so it is too optimistic for new rows.",
  ]);
  expect(noteOf(plain!)).toEqual([]);
  expect(noteOf(held!)).toEqual([]);
  expect(noteOf(plain!, stopped!, held!)).toEqual([expect.stringContaining("kept the state of run-1 that was best")]);
});

it("the cost figure uses rows that all runs have scores on, preferably test rows", () => {
  const of = (...each: readonly Readonly<Record<string, number>>[]) => captionsOf(each.map(logOf));
  const logOf = (metrics: Readonly<Record<string, number>>, i: number) => {
    const log = sampleRun({ name: `run-${i}`, method: "lora", steps: 20, settings: { task: "mine" } });
    return { ...log, events: log.events.map((event) => (event.event === "done" ? { ...event, metrics } : event)) };
  };
  const captionsOf = (logs: Parameters<typeof renderReport>[0]) =>
    texts(parse(renderReport(logs)), "#cost figcaption").map((caption) => caption.split(" over ")[0]);
  const both = { accuracy: 0.5, test_accuracy: 0.6 };
  expect(of(both, both)).toEqual([expect.stringMatching(/^Test accuracy/)]);
  expect(of(both, { accuracy: 0.7 })).toEqual([expect.stringMatching(/^Accuracy/)]);
  expect(of({ test_accuracy: 0.7 }, { accuracy: 0.7 })).toEqual([]);
  // A run that has not ended has no test score yet, and is no point of the figure.
  const [first, second, live] = [0, 1, 2].map((i) => logOf(both, i));
  const unfinished = { ...live!, events: live!.events.filter(({ event }) => event !== "done") };
  expect(captionsOf([first!, second!, unfinished])).toEqual([expect.stringMatching(/^Test accuracy/)]);
});

describe("a report of three runs", () => {
  const source = renderReport(three);
  const page = parse(source);

  it("each figure has a caption, and each drawing has a text alternative", () => {
    expect(texts(page, "figure h2")).toEqual([
      "Training loss",
      "Validation",
      "Generalization gap",
      "Search: the two levels",
      "Movement of the magnitudes",
      "Learning rate",
      "Score and cost",
    ]);
    expect(texts(page, "figcaption").every((caption) => caption.length > 20)).toBe(true);
    const drawings = all(page, "figure svg.plot");
    // Loss, gap and learning rate have a second form for narrow pages.
    expect(drawings.length).toBe(2 + 3 + 2 + 4 + 4 + 2 + 3);
    for (const drawing of drawings) {
      expect(drawing.getAttribute("role")).toBe("img");
      expect(texts(drawing, "svg > title")[0]!.length).toBeGreaterThan(1);
      expect(texts(drawing, "svg > desc")[0]).toMatch(/ (from|by|at) /);
      expect(all(drawing, "[aria-label]")).toEqual([]);
    }
  });

  it("one figure has the losses of all runs in their colors, with search and retraining separate", () => {
    const [loss] = all(page, "figure svg.plot");
    const strokes = all(loss!, '[data-mark="line"]').map((line) => line.getAttribute("stroke"));
    for (const run of [0, 1, 2]) expect(strokes.filter((stroke) => stroke === `var(--run-${run})`)).toHaveLength(2);
    const paths = all(loss!, '[data-mark="line"]').map((line) => all(line, "path").length);
    expect(paths).toEqual([1, 1, 2, 1, 1, 2]);
    expect(loss!.textContent).toContain("retraining");
  });

  it("the results have one row for each run", () => {
    const rows = all(page, "#results table.figures")[0]!;
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

  it("settings that differ are separate from shared ones", () => {
    expect(texts(page, "#settings table.text tbody tr")[0]).toBe("methodloradorabidora");
    expect(texts(page, "#settings table.text tbody th")).toEqual(["method", "hypergradient", "xi", "searchFraction"]);
    expect(texts(page, "dl div")).toContain("targetModulesquery, value");
    expect(texts(page, "dl div")).toContain("Memory7,915 MiB");
  });

  it("the page is self-contained and has both themes", () => {
    expect(all(page, "script, link, img, iframe, object")).toEqual([]);
    expect(source).not.toMatch(/https?:|url\(|@import|@font-face|\bsrc=|\bhref="[^#]/);
    expect(source).toContain("prefers-color-scheme:dark");
    expect(page.querySelector("title")!.textContent).toBe("lora, dora, bidora – training report");
    expect(page.querySelector("html")!.getAttribute("lang")).toBe("en");
  });

  it("the page has landmarks, a skip link, ordered headings and working links", () => {
    for (const landmark of ["header", "nav[aria-label]", "main#main", "footer"])
      expect(all(page, `body > ${landmark}`), landmark).toHaveLength(1);
    expect(all(page, "body > *")[0]!.getAttribute("href")).toBe("#main");
    const levels = all(page, "h1, h2, h3").map(({ tagName }) => Number(tagName.slice(1)));
    expect(levels[0]).toBe(1);
    for (const [i, level] of levels.entries()) expect(level - (levels[i - 1] ?? 0)).toBeLessThanOrEqual(1);
    const ids = all(page, "[id]").map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const link of all(page, "nav a")) expect(ids).toContain(link.getAttribute("href")!.slice(1));
    for (const region of all(page, "[role=region]")) expect(region.getAttribute("tabindex")).toBe("0");
    for (const table of all(page, "table")) expect(texts(table, "caption")[0]).toMatch(/\w/);
    for (const head of all(page, "th")) expect(head.getAttribute("scope")).toMatch(/^(row|col)$/);
  });

  it("every figure has its numbers in a table", () => {
    for (const figure of all(page, "figure")) expect(all(figure, "details table").length, figure.id).toBeGreaterThan(0);
    const rows = all(page, "#training-loss details tbody tr");
    expect(rows.length).toBe(20);
    expect(texts(page, "#training-loss details caption")).toEqual(["Training loss, smoothed (20 of 120 steps)"]);
    expect(texts(page, "#training-loss details tbody tr:first-child td")[0]).toBe("train, search");
    expect(texts(page, "#training-loss details tbody tr:last-child td")[0]).toBe("retrain");
    const last = three[0]!.events.findLast((event) => event.event === "evaluation");
    const accuracy = texts(all(page, "#validation details table")[1]!, "tbody tr").find((row) => row.startsWith("60"));
    expect(accuracy).toContain(last!.metrics.accuracy!.toFixed(4));
  });

  it("runs differ also without color", () => {
    const dashes = all(page, ".legend line").map((line) => line.getAttribute("stroke-dasharray"));
    expect(new Set(dashes).size).toBe(3);
    expect(new Set(all(page, ".legend g").map((mark) => mark.querySelector("path")?.getAttribute("d"))).size).toBe(3);
  });

  it("the page has no NaN, undefined or infinity", () => {
    expect(source).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  it("rendering twice gives the same page", () => {
    expect(renderReport(three)).toBe(source);
  });
});

describe("runs with held-out rows beside others", () => {
  const heldOut = heldOutRun({ name: "lora+es", method: "lora", steps: 60 });
  const page = parse(renderReport([three[0]!, heldOut]));
  const [validation, watched] = ["validation rows", "held-out training rows"];

  it("runs with held-out rows have their own panels, which name the rows", () => {
    expect(texts(page, "#validation h3")).toEqual(
      ["Loss", "Accuracy", "F1"].flatMap((metric) => [`${metric} on ${validation}`, `${metric} on ${watched}`]),
    );
    const strokes = all(page, "#validation .panel").map((panel) => [
      ...new Set(all(panel, "[data-mark=line]").map((line) => line.getAttribute("stroke"))),
    ]);
    expect(strokes).toEqual([0, 1, 0, 1, 0, 1].map((run) => [`var(--run-${run})`]));
    const ringed = all(page, "#validation .panel").map((panel) => panel.textContent.includes("best"));
    expect(ringed).toEqual([false, false, false, true, false, false]);
    expect(texts(page, "#validation figcaption")[0]).toContain(`on the ${validation}, or on the ${watched}`);
  });

  it("there is a gap to each kind of rows, and each curve matches its table", () => {
    const rows = all(page, "#gap > .scroll tbody tr").map((row) => texts(row, "th, td"));
    expect(rows.map(([name, of]) => [name, of])).toEqual([
      ["lora", validation],
      ["lora+es", validation],
      ["lora+es", watched],
    ]);
    expect(texts(page, "#gap h3")).toEqual([`Gap to the loss on ${validation}`, `Gap to the loss on ${watched}`]);
    const best = /best at step (\d+)/.exec(texts(page, "#validation svg > desc").join())![1]!;
    const numbers = all(page, "#gap details table")[1]!;
    expect(texts(numbers, "tbody tr")).toContain(`${best}${rows[2]!.at(-1)}`);
  });

  it("the table of evaluations names the rows", () => {
    const rows = all(page, "#results details tbody tr").map((row) => texts(row, "th, td"));
    expect(new Set(rows.filter(([name]) => name === "lora").map((row) => row[3]))).toEqual(new Set([validation]));
    const ofEs = rows.filter(([name]) => name === "lora+es").map((row) => row[3]);
    expect(ofEs.slice(-2)).toEqual([validation, watched]);
    expect(new Set(ofEs.slice(0, -2))).toEqual(new Set([watched]));
  });

  it("without other runs only the panels of held-out rows are shown, and they name the rows", () => {
    const alone = parse(renderReport([heldOut]));
    expect(texts(alone, "#validation h3")[1]).toBe(`Accuracy on ${watched}`);
    expect(texts(alone, "#gap h3")).toEqual([`Gap to the loss on ${watched}`]);
  });
});

it("settings without effect are not listed, even if the log has their value", () => {
  const idle = changed(three[0]!, (event) =>
    event.event === "start" ? { ...event, idle: ["alpha", "dtype"] } : event,
  );
  const settings = texts(parse(renderReport([idle])), "#settings dt");
  expect(settings).toContain("rank");
  expect(settings.filter((key) => ["alpha", "dtype"].includes(key))).toEqual([]);
  const both = all(parse(renderReport([idle, three[1]!])), "#settings tbody tr").map((row) => texts(row, "th, td"));
  expect(both).toContainEqual(["alpha", "–", "16"]);
});

describe("what a log may hold", () => {
  it("all text of a log is escaped", () => {
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
    expect(texts(page, "svg.plot > desc").filter((text) => text.includes(evil)).length).toBeGreaterThan(2);
  });

  it("a log may have values that are not finite", () => {
    const log = changed(three[2]!, (event) => {
      if (event.event === "step" && event.step % 3 === 0) return { ...event, loss: null as unknown as number };
      if (event.event === "evaluation") return { ...event, metrics: { accuracy: Number.NaN } };
      if (event.event === "done") return { ...event, metrics: {}, seconds: Number.NaN };
      return event;
    });
    expect(renderReport([log])).not.toMatch(/NaN|null|undefined|Infinity/);
  });

  it("a log may have a start event only", () => {
    const page = parse(renderReport([{ ...three[0]!, events: three[0]!.events.slice(0, 1) }]));
    expect(texts(page, ".alert")[0]).toContain("before its first step");
    expect(all(page, "figure")).toEqual([]);
    expect(texts(page, "#results tbody td").slice(-4)).toEqual(["–", "–", "–", "–"]);
  });

  it("a log may have a single step", () => {
    expect(renderReport([{ ...three[0]!, events: three[0]!.events.slice(0, 2) }])).not.toMatch(/NaN|undefined/);
  });

  it("a log may be of a killed or failed run", () => {
    const cut = three[2]!.events.slice(0, -1);
    const killed = parse(renderReport([{ ...three[2]!, events: cut, isTorn: true }]));
    expect(texts(killed, ".alert")[0]).toBe(
      "bidora has not finished: its log ends after step 120, in the middle of a line. It is still running, or was stopped.",
    );
    const error: RunEvent = { event: "error", time: "", code: "LOSS_NOT_FINITE", message: "The loss is not finite." };
    const failed = parse(renderReport([{ ...three[2]!, events: [...cut, error] }]));
    expect(texts(failed, ".alert")[0]).toContain("failed after step 120: The loss is not finite. (LOSS_NOT_FINITE)");
  });

  it("a log may be of a method without magnitudes or search", () => {
    const page = parse(renderReport([three[0]!]));
    expect(texts(page, "figure h2")).toEqual(["Training loss", "Validation", "Generalization gap", "Learning rate"]);
    expect(all(page, ".legend")).toEqual([]);
  });
});

it("runs with the same name get unique names, and long runs give a small page", () => {
  const long = sampleRun({ name: "same", method: "bidora", steps: 8000 });
  const source = renderReport([long, long]);
  expect(texts(parse(source), ".legend li")).toEqual(["same", "same (2)"]);
  expect(source.length).toBeLessThan(400_000);
});

it("runs with the same folder name are named by as much of their paths as necessary", () => {
  const [run] = three as [(typeof three)[0]];
  const at = (path: string) => ({ ...run, name: path.split("/").at(-1)!, place: `/runs/${path}`.split("/") });
  const named = (...paths: string[]) => texts(parse(renderReport(paths.map(at))), ".legend li");
  expect(named("a/lora/seed-0", "a/lora/seed-1")).toEqual(["seed-0", "seed-1"]);
  expect(named("a/lora/seed-0", "a/dora/seed-0", "c/best")).toEqual(["lora/seed-0", "dora/seed-0", "best"]);
  expect(named("a/lora/seed-0", "a/dora/seed-0", "b/dora/seed-0")).toEqual([
    "a/lora/seed-0",
    "a/dora/seed-0",
    "b/dora/seed-0",
  ]);
  expect(named("a/lora/seed-0", "a/lora/seed-0", "b/lora/seed-0")).toEqual([
    "a/lora/seed-0",
    "a/lora/seed-0 (2)",
    "b/lora/seed-0",
  ]);
});

describe("a report of many runs", () => {
  const many = Array.from({ length: 24 }, (_, i) => sampleRun({ name: `run-${i}`, method: "dora", steps: 20 }));
  const page = parse(renderReport(many));

  it("long parts are collapsed, and heading and title fit on one line", () => {
    expect(texts(page, "#magnitudes details summary")[0]).toBe("All 48 panels");
    expect(all(page, "#magnitudes > .panels")).toEqual([]);
    expect(page.querySelector("title")!.textContent).toBe("24 runs – training report");
  });

  it("the legend does not cover the figures", () => {
    expect(all(page, ".legend.many li")).toHaveLength(24);
    expect(all(parse(renderReport(three)), ".legend.many")).toEqual([]);
  });
});

describe("methods with the same cost and score", () => {
  const same = Array.from({ length: 7 }, (_, i) =>
    sampleRun({ name: `method ${i}`, method: "lora", steps: 20, settings: { method: `${i}` } }),
  );
  const [, parameters] = all(parse(renderReport(same)), "#cost .panel");

  it("overlapping points have separate labels", () => {
    const names = same.map(({ name }) => name);
    const labels = all(parameters!, "[data-mark=text] text").filter(({ textContent }) => names.includes(textContent));
    expect(labels.map(({ textContent }) => textContent)).toEqual(names);
    const heights = labels.map((label) => Number(/,([\d.]+)\)/.exec(label.getAttribute("transform")!)![1]));
    for (const [i, one] of heights.sort((a, b) => a - b).entries())
      if (i > 0) expect(one - heights[i - 1]!).toBeGreaterThanOrEqual(14.9);
    expect(all(parameters!, "[data-mark=link] path")).toHaveLength(7);
  });

  it("ticks are unique", () => {
    for (const axis of all(parameters!, "[data-mark='x-axis tick label']")) {
      const ticks = texts(axis, "text");
      expect(ticks.length).toBeGreaterThan(1);
      expect(new Set(ticks).size).toBe(ticks.length);
    }
  });
});

it("a resumed run shows the time of all its sessions", () => {
  const run = sampleRun({ name: "lora", method: "lora", steps: 60 });
  const [start] = run.events as [RunEvent];
  const at = run.events.findIndex((event) => event.event === "step" && event.step === 31);
  const last = run.events[at - 1] as RunEvent;
  const resumed = { ...run, events: run.events.toSpliced(at, 0, { ...start, time: "2031-01-01T00:00:00Z" }) };
  const earlier = (Date.parse(last.time) - Date.parse(start.time)) / 1000;
  expect(earlier).toBeGreaterThan(1);
  const [results] = all(parse(renderReport([resumed])), "#results table.figures");
  expect(texts(results!, "tbody td").at(-3)).toBe(formatSeconds(60 * 0.135 + earlier));
});
