import { describe, expect, it } from "vitest";
import { formatSeconds } from "../../src/common/format.js";
import type { RunEvent } from "../../src/files/events.js";
import { renderReport } from "../../src/report/index.js";
import { all, changed, parse, texts } from "./page.js";
import { heldOutRun, sampleRun } from "./sampleRuns.js";

const three = (["lora", "dora", "bidora"] as const).map((method) => sampleRun({ name: method, method, steps: 60 }));
it("says of a validation score that it was used for selection, where it was, and of which run", () => {
  const early = { earlyStopping: 3, evalEvery: 8 };
  const [plain, stopped, held] = [{}, early, { ...early, holdoutFraction: 0.2 }].map((settings, i) =>
    sampleRun({ name: `run-${i}`, method: "lora", steps: 20, settings }),
  );
  const noteOf = (...logs: Parameters<typeof renderReport>[0][number][]) =>
    texts(parse(renderReport(logs)), "#results .note").filter((text) => text.startsWith("Early stopping"));
  expect(noteOf(stopped!)).toEqual([
    "Early stopping kept the state that was best on the validation rows: the validation score was used for selection, and is too good an estimate for new rows.",
  ]);
  expect(noteOf(plain!)).toEqual([]);
  expect(noteOf(held!)).toEqual([]);
  expect(noteOf(plain!, stopped!, held!)).toEqual([expect.stringContaining("kept the state of run-1 that was best")]);
});

it("sets scores against costs by rows that all runs were judged by, the test rows first", () => {
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

  it("has its figures, each with a caption and each drawing with a text in its place", () => {
    expect(texts(page, "figure h2")).toEqual([
      "Training loss",
      "Validation",
      "Generalisation gap",
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

  it("draws all runs' losses in one figure, in their own colours, search and retraining apart", () => {
    const [loss] = all(page, "figure svg.plot");
    const strokes = all(loss!, '[data-mark="line"]').map((line) => line.getAttribute("stroke"));
    for (const run of [0, 1, 2]) expect(strokes.filter((stroke) => stroke === `var(--run-${run})`)).toHaveLength(2);
    const paths = all(loss!, '[data-mark="line"]').map((line) => all(line, "path").length);
    expect(paths).toEqual([1, 1, 2, 1, 1, 2]);
    expect(loss!.textContent).toContain("retraining");
  });

  it("puts results in a row a run", () => {
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

  it("tells apart the settings that differ and those that all runs share", () => {
    expect(texts(page, "#settings table.text tbody tr")[0]).toBe("methodloradorabidora");
    expect(texts(page, "#settings table.text tbody th")).toEqual(["method", "hypergradient", "xi", "searchFraction"]);
    expect(texts(page, "dl div")).toContain("targetModulesquery, value");
    expect(texts(page, "dl div")).toContain("Memory7,915 MiB");
  });

  it("needs nothing beside it and has both themes", () => {
    expect(all(page, "script, link, img, iframe, object")).toEqual([]);
    expect(source).not.toMatch(/https?:|url\(|@import|@font-face|\bsrc=|\bhref="[^#]/);
    expect(source).toContain("prefers-color-scheme:dark");
    expect(page.querySelector("title")!.textContent).toBe("lora, dora, bidora – training report");
    expect(page.querySelector("html")!.getAttribute("lang")).toBe("en");
  });

  it("can be found one's way in: landmarks, a way past them, headings in order, and links that lead somewhere", () => {
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

  it("has the numbers of every figure in a table", () => {
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

  it("tells runs apart without colour", () => {
    const dashes = all(page, ".legend line").map((line) => line.getAttribute("stroke-dasharray"));
    expect(new Set(dashes).size).toBe(3);
    expect(new Set(all(page, ".legend g").map((mark) => mark.querySelector("path")?.getAttribute("d"))).size).toBe(3);
  });

  it("holds no NaN, undefined or infinity", () => {
    expect(source).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  it("is the same at every call", () => {
    expect(renderReport(three)).toBe(source);
  });
});

describe("runs that watched rows which they held out, beside others", () => {
  const heldOut = heldOutRun({ name: "lora+es", method: "lora", steps: 60 });
  const page = parse(renderReport([three[0]!, heldOut]));
  const [validation, watched] = ["validation rows", "held-out training rows"];

  it("have panels of their own, with the rows named", () => {
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

  it("have a gap to each kind of rows, of which the curve shows the one that its table has", () => {
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

  it("are told apart in the table of all evaluations", () => {
    const rows = all(page, "#results details tbody tr").map((row) => texts(row, "th, td"));
    expect(new Set(rows.filter(([name]) => name === "lora").map((row) => row[3]))).toEqual(new Set([validation]));
    const ofEs = rows.filter(([name]) => name === "lora+es").map((row) => row[3]);
    expect(ofEs.slice(-2)).toEqual([validation, watched]);
    expect(new Set(ofEs.slice(0, -2))).toEqual(new Set([watched]));
  });

  it("have their panels alone where no other runs are there, and are named too", () => {
    const alone = parse(renderReport([heldOut]));
    expect(texts(alone, "#validation h3")[1]).toBe(`Accuracy on ${watched}`);
    expect(texts(alone, "#gap h3")).toEqual([`Gap to the loss on ${watched}`]);
  });
});

it("lists no setting that had no effect in the run, though the log has its value", () => {
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
    expect(texts(page, "svg.plot > desc").filter((told) => told.includes(evil)).length).toBeGreaterThan(2);
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
    expect(texts(page, "#results tbody td").slice(-4)).toEqual(["–", "–", "–", "–"]);
  });

  it("may be a single step", () => {
    expect(renderReport([{ ...three[0]!, events: three[0]!.events.slice(0, 2) }])).not.toMatch(/NaN|undefined/);
  });

  it("may be a run that was killed, or failed", () => {
    const cut = three[2]!.events.slice(0, -1);
    const killed = parse(renderReport([{ ...three[2]!, events: cut, isTorn: true }]));
    expect(texts(killed, ".alert")[0]).toBe(
      "bidora has not finished: its log ends after step 120, in the middle of a line. It is still running, or was stopped.",
    );
    const error: RunEvent = { event: "error", time: "", code: "LOSS_NOT_FINITE", message: "The loss is not finite." };
    const failed = parse(renderReport([{ ...three[2]!, events: [...cut, error] }]));
    expect(texts(failed, ".alert")[0]).toContain("failed after step 120: The loss is not finite. (LOSS_NOT_FINITE)");
  });

  it("may be the log of a method without magnitudes or search", () => {
    const page = parse(renderReport([three[0]!]));
    expect(texts(page, "figure h2")).toEqual(["Training loss", "Validation", "Generalisation gap", "Learning rate"]);
    expect(all(page, ".legend")).toEqual([]);
  });
});

it("gives runs of one name different ones, and stays small for long runs", () => {
  const long = sampleRun({ name: "same", method: "bidora", steps: 8000 });
  const source = renderReport([long, long]);
  expect(texts(parse(source), ".legend li")).toEqual(["same", "same (2)"]);
  expect(source.length).toBeLessThan(400_000);
});

it("tells runs of one folder's name apart by as much of their paths as it takes", () => {
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

  it("folds up what is long, and has a heading and a title of one line", () => {
    expect(texts(page, "#magnitudes details summary")[0]).toBe("All 48 panels");
    expect(all(page, "#magnitudes > .panels")).toEqual([]);
    expect(page.querySelector("title")!.textContent).toBe("24 runs – training report");
  });

  it("has a legend that does not cover what it explains", () => {
    expect(all(page, ".legend.many li")).toHaveLength(24);
    expect(all(parse(renderReport(three)), ".legend.many")).toEqual([]);
  });
});

describe("methods that cost the same and reach the same", () => {
  const same = Array.from({ length: 7 }, (_, i) =>
    sampleRun({ name: `method ${i}`, method: "lora", steps: 20, settings: { method: `${i}` } }),
  );
  const [, parameters] = all(parse(renderReport(same)), "#cost .panel");

  it("are each named beside their points, no two names in one line", () => {
    const names = same.map(({ name }) => name);
    const labels = all(parameters!, "[data-mark=text] text").filter(({ textContent }) => names.includes(textContent));
    expect(labels.map(({ textContent }) => textContent)).toEqual(names);
    const heights = labels.map((label) => Number(/,([\d.]+)\)/.exec(label.getAttribute("transform")!)![1]));
    for (const [i, one] of heights.sort((a, b) => a - b).entries())
      if (i > 0) expect(one - heights[i - 1]!).toBeGreaterThanOrEqual(14.9);
    expect(all(parameters!, "[data-mark=link] path")).toHaveLength(7);
  });

  it("have no tick twice", () => {
    for (const axis of all(parameters!, "[data-mark='x-axis tick label']")) {
      const ticks = texts(axis, "text");
      expect(ticks.length).toBeGreaterThan(1);
      expect(new Set(ticks).size).toBe(ticks.length);
    }
  });
});

it("tells of a run that was gone on with what all its sessions took", () => {
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
