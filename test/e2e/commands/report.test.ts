import { cpSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseHTML } from "linkedom";
import { beforeAll, describe, expect, test } from "vitest";
import { reportPath, writeReport } from "../../../src/studies/report/writeReport.js";
import { bidora, fresh, json, run, SMALL, write } from "../support.js";

interface Element {
  readonly textContent: string;
  querySelectorAll(selector: string): Iterable<Element>;
  getAttribute(name: string): string | null;
}

const all = (page: Element, selector: string): Element[] => [...page.querySelectorAll(selector)];
const texts = (page: Element, selector: string): string[] =>
  all(page, selector).map(({ textContent }) => textContent.trim());

describe("the report command on two runs", () => {
  const [lora, bidoraRun] = [join(fresh(), "lora"), join(fresh(), "bidora")];
  const output = join(fresh("report"), "both.html");
  let printed: Awaited<ReturnType<typeof bidora>>;
  let page: Element;

  beforeAll(async () => {
    const shared = { validation: SMALL.train, evalEvery: 2, retrainSteps: 3 };
    await run({ ...SMALL, validation: SMALL.train, evalEvery: 2, method: "lora", output: lora });
    await run({ ...SMALL, ...shared, method: "bidora", output: bidoraRun });
    printed = await bidora("report", lora, join(bidoraRun, "events.jsonl"), "--output", output, "--json");
    page = parseHTML(readFileSync(output, "utf8")).document as unknown as Element;
  });

  test("shows the quickstart's runs if given its folder", async () => {
    const folder = fresh("quickstart");
    cpSync(lora, join(folder, "lora"), { recursive: true });
    cpSync(bidoraRun, join(folder, "bidora"), { recursive: true });
    writeFileSync(join(folder, "comparison.json"), JSON.stringify([{ method: "lora" }, { method: "bidora" }]));
    const path = reportPath([folder], { overwrite: false });
    await writeReport(path, [folder]);
    expect(path).toBe(join(folder, "report.html"));
    const { document } = parseHTML(readFileSync(path, "utf8"));
    expect(texts(document as unknown as Element, "h1")).toEqual(["2 runs: lora, bidora"]);
    writeFileSync(join(folder, "comparison.json"), JSON.stringify([{ method: "../lora" }]));
    await expect(writeReport(path, [folder])).rejects.toThrow("they are incomplete or from an older version");
  });

  test("refuses a file that is no run log", () => {
    const file = join(lora, "metrics.json");
    expect(() => reportPath([file], { overwrite: false })).toThrow(`${file} is a file.`);
  });

  test("prints its path and keeps the runs' own reports", () => {
    expect(printed).toEqual({ status: 0, stdout: `${JSON.stringify({ output })}\n`, stderr: "" });
    for (const folder of [lora, bidoraRun])
      expect(statSync(join(folder, "report.html")).mtimeMs).toBeLessThan(statSync(output).mtimeMs);
  });

  test("shows both runs' results side by side, as in their metrics.json", () => {
    expect(texts(page, "h1")).toEqual(["2 runs: lora, bidora"]);
    const [results] = all(page, "table") as [Element];
    const heads = texts(results, "thead th");
    const rows = all(results, "tbody tr").map((row) => texts(row, "th, td"));
    expect(rows.map(([name]) => name)).toEqual(["lora", "bidora"]);
    for (const [index, folder] of [lora, bidoraRun].entries()) {
      const { accuracy, macroF1 } = json<Record<string, number>>(join(folder, "metrics.json")) as {
        accuracy: number;
        macroF1: number;
      };
      expect(rows[index]?.[heads.indexOf("Accuracy")]).toBe(accuracy.toFixed(4));
      expect(rows[index]?.[heads.indexOf("Macro F1")]).toBe(macroF1.toFixed(4));
    }
    expect(rows.map((row) => row[heads.indexOf("Steps")])).toEqual(["4", "7"]);
  });

  test("draws both runs' curves, and the search of BiDoRA's", () => {
    expect(texts(page, "figure h2")).toEqual(
      expect.arrayContaining(["Training loss", "Validation", "Search: the two levels", "Learning rate"]),
    );
    const [loss] = all(page, "figure svg.plot") as [Element];
    const strokes = new Set(all(loss, '[data-mark="line"]').map((line) => line.getAttribute("stroke")));
    expect(strokes).toEqual(new Set(["var(--run-0)", "var(--run-1)"]));
  });

  test("is self-contained", () => {
    const source = readFileSync(output, "utf8");
    expect(source).not.toMatch(/(?:src|href)="(?!#|data:)|@import|url\((?!#|data:)/);
  });
});

describe("the report command on a comparison", () => {
  const output = join(fresh(), "cmp");
  const [task, ...parts] = [
    "sequence-classification",
    ["lora", "0"],
    ["lora", "1"],
    ["dora", "0"],
    ["dora", "1"],
  ] as const;
  const folderOf = ([method, seed]: readonly string[]) => join(output, task, method!, `seed-${seed}`);
  const report = join(output, "report.html");

  beforeAll(async () => {
    for (const part of parts)
      await run({
        ...SMALL,
        validation: SMALL.train,
        method: part[0],
        seed: Number(part[1]),
        output: folderOf(part),
      });
    const asked = ["--methods", "lora,dora", "--seeds", "0,1", "--task", task, "--train", SMALL.train];
    const gathered = await bidora("compare", ...asked, "--output", output, "--collect", "--json");
    expect(gathered).toMatchObject({ status: 0, stderr: "" });
  });

  test("replaces the page that compare wrote, from comparison.json and the runs", async () => {
    const before = readFileSync(report, "utf8");
    expect(await bidora("report", output)).toMatchObject({ status: 0, stdout: `Report in ${report}\n` });
    expect(readFileSync(report, "utf8")).toBe(before);
    const page = parseHTML(before).document as unknown as Element;
    expect(texts(page, "h1")).toEqual(["Comparison cmp"]);
    expect(texts(page, "#scores tbody th")).toEqual(["lora", "dora", "majority"]);
    expect(texts(page, "#differences h3")).toEqual(["sequence-classification: Accuracy (validation, 22 rows)"]);
    expect(texts(page, "#training-loss h2")).toEqual(["Training loss"]);
  });

  test("shows tasks by their names, also if their folders have other names", async () => {
    const copy = join(fresh(), "copy");
    cpSync(join(output, task), join(copy, task), { recursive: true });
    const file = write(
      "compare.yaml",
      `tasks:\n  - {name: "sequence classification", task: ${task}, train: ${SMALL.train}}\n`,
    );
    const asked = ["--methods", "lora,dora", "--seeds", "0,1", "--output", copy];
    expect(await bidora("compare", file, ...asked, "--collect", "--json")).toMatchObject({ status: 0, stderr: "" });
    const page = parseHTML(readFileSync(join(copy, "report.html"), "utf8")).document as unknown as Element;
    expect(texts(page, "#differences h3")).toEqual(["sequence classification: Accuracy (validation, 22 rows)"]);
    expect(texts(page, "#conditions dl div")).toContain("Taskssequence classification");
    expect(texts(page, ".alert").join()).toBe("");
    expect(texts(page, "#training-loss h2")).toEqual(["Training loss"]);
    const { runs, tasks } = json<{ runs: { task: string }[]; tasks: object[] }>(join(copy, "comparison.json"));
    expect(runs[0]?.task).toBe(task);
    expect(tasks).toMatchObject([{ name: task, title: "sequence classification" }]);
  });

  test("refuses further runs beside a comparison, and never overwrites what it reads", async () => {
    const { status, stderr } = await bidora(
      "report",
      output,
      folderOf(parts[0]),
      "--output",
      join(fresh(), "any.html"),
    );
    expect([status, stderr]).toEqual([2, expect.stringContaining("A comparison has a report by itself")]);
    const own = await bidora("report", output, "--output", join(output, "comparison.json"), "--overwrite");
    expect([own.status, own.stderr]).toEqual([1, expect.stringContaining("is an input of this command")]);
  });
});
