import stringWidth from "string-width";
import { describe, expect, test } from "vitest";
import type { Comparison } from "../../../src/base/records/comparison.js";
import { averagesOf } from "../../../src/studies/statistics/averages.js";
import { scoresHeading } from "../../../src/studies/statistics/checkComparison.js";
import { significance } from "../../../src/studies/statistics/significance.js";
import { comparisonTables } from "../../../src/studies/tables/comparisonTables.js";
import { latexTable, markdownTable, type ResultTable } from "../../../src/studies/tables/renderTable.js";
import { significanceTable } from "../../../src/studies/tables/significanceTable.js";
import { terminalSummary, terminalTable } from "../../../src/studies/tables/terminalTable.js";
import { accuracy, f1, perplexity, run, runsOf, task } from "./sampleComparison.js";
import { bootstrapTest, equivalenceTest, twoLevelTest, wilcoxonTest } from "./sampleTests.js";

const methods = ["lora", "dora", "lora+es"];

const oneTask: Comparison = {
  methods,
  tasks: [task("mrpc", accuracy, f1)],
  runs: [
    run("mrpc", "lora", 0, { accuracy: 0.8, f1: 0.7 }, { seconds: 60 }),
    run("mrpc", "lora", 1, { accuracy: 0.82, f1: 0.72 }, { seconds: 70 }),
    run("mrpc", "lora+es", 1, { accuracy: 0.81, f1: 0.8 }, { trainedParameters: 99_000 }),
  ],
};

const twoTasks: Comparison = {
  methods,
  tasks: [task("mrpc", accuracy), task("lm", perplexity)],
  runs: [
    ...runsOf("mrpc", "lora", "accuracy", [0.5, 0.75]),
    ...runsOf("mrpc", "dora", "accuracy", [0.75, 0.75]),
    ...runsOf("lm", "lora", "perplexity", [12, 14]),
    ...runsOf("lm", "dora", "perplexity", [13.5, 13.75]),
  ],
};

/** Titles to the texts of the column, the best ones with a star. */
const cellsByColumn = (table: ResultTable): Record<string, string[]> =>
  Object.fromEntries(
    table.columns.map(({ title, cells }) => [title, cells.map(({ text, best }) => text + (best ? "*" : ""))]),
  );

describe("comparison tables", () => {
  test("for one task have scores and costs side by side, mark the best means with ties, and show missing values as dashes", () => {
    const [table, ...others] = comparisonTables(oneTask);
    expect(others).toEqual([]);
    expect(table!.names).toEqual(methods);
    expect(cellsByColumn(table!)).toEqual({
      Accuracy: ["0.8100 ± 0.0141*", "–", "0.8100 (n = 1)*"],
      F1: ["0.7100 ± 0.0141", "–", "0.8000 (n = 1)*"],
      "Trained parameters": ["1,234", "–", "99,000"],
      Time: ["1 min 5 s", "–", "12.3 s"],
      "Peak memory": ["512 MiB", "–", "512 MiB"],
    });
    expect(table!.notes).toEqual([
      "Mean ± sample standard deviation over 2 seeds, unless n is given.",
      "Time and memory are means over seeds.",
    ]);
  });

  test("for several tasks are one of main metrics, and one of each task; the lowest value of a metric to minimize is best", () => {
    const [scores, ...ofTasks] = comparisonTables(twoTasks);
    expect(cellsByColumn(scores!)).toEqual({
      "mrpc: Accuracy": ["0.6250 ± 0.1768", "0.7500 ± 0.0000*", "–"],
      "lm: Perplexity ↓": ["13.00 ± 1.41*", "13.63 ± 0.18", "–"],
      "Trained parameters": ["1,234", "1,234", "–"],
    });
    expect(scores!.notes).toEqual([
      "Mean ± sample standard deviation over 2 seeds.",
      "Time and memory are means over seeds.",
    ]);
    expect(ofTasks.map(({ title, columns }) => [title, ...columns.map((column) => column.title)])).toEqual([
      ["mrpc", "Accuracy", "Trained parameters", "Time", "Peak memory"],
      ["lm", "Perplexity ↓", "Trained parameters", "Time", "Peak memory"],
    ]);
    expect(ofTasks.flatMap(({ notes }) => notes)).toEqual([]);
  });

  test("have the average over tasks, with the deviation over seeds of each seed's average", () => {
    const rows = { split: "test", count: 9 } as const;
    const found: Comparison = {
      methods: ["a", "b", "c", "d", "e"],
      tasks: [{ ...task("t", accuracy), rows }, task("u", f1)],
      runs: [
        ...runsOf("t", "a", "accuracy", [0.5, 0.7]),
        ...runsOf("u", "a", "f1", [0.5, 0.3]),
        ...runsOf("t", "b", "accuracy", [0.4, 0.6]),
        ...runsOf("u", "b", "f1", [0.4, 0.6]),
        ...runsOf("t", "c", "accuracy", [1, 1]),
        ...runsOf("t", "d", "accuracy", [1, 1]),
        ...runsOf("u", "d", "f1", [1]),
        ...runsOf("t", "e", "accuracy", [0.1, 0.2]),
        run("u", "e", 1, { f1: 0.4 }),
        run("u", "e", 2, { f1: 0.8 }),
      ],
      failed: [{ task: "u", method: "d", seed: 1, reason: "killed" }],
    };
    const [table] = comparisonTables(found);
    expect(cellsByColumn(table!).Average).toEqual(["0.5000 ± 0.0000*", "0.5000 ± 0.1414*", "–", "–", "0.3000 (n = 1)"]);
    expect(table!.notes[0]).toBe(
      "Average: the mean over tasks of their main metrics, for methods with all runs of all tasks; ± is the deviation over seeds of that mean with each seed.",
    );
    expect(averagesOf(found).map(({ method, n }) => `${method} ${n}`)).toEqual(["a 2", "b 2", "e 1"]);
    const same = { ...twoTasks, tasks: [task("lm", perplexity), task("mrpc", perplexity)] };
    expect(cellsByColumn(comparisonTables(same)[0]!)["Average ↓"]).toEqual(["–", "–", "–"]);
  });

  test("have an average over all data seeds of a seed", () => {
    const tasks = [task("t", accuracy), task("u", f1)];
    const runs = [0, 1].flatMap((seed) =>
      [0, 1].flatMap((dataSeed) => [
        { ...run("t", "a", seed, { accuracy: 0.5 + dataSeed / 4 }), dataSeed },
        { ...run("u", "a", seed, { f1: 0.25 + dataSeed / 4 }), dataSeed },
      ]),
    );
    const [average] = averagesOf({ methods: ["a"], tasks, runs });
    expect(average).toMatchObject({ method: "a", mean: 0.5, n: 4 });
    expect(average!.deviation).toBeCloseTo(Math.sqrt(4 / 3) / 8, 12);
  });

  test("have the trained parameters' share of the model", () => {
    const sized = (task: string, trainedParameters: number, totalParameters: number) => ({
      ...run(task, "a", 0, { accuracy: 1 }, { trainedParameters }),
      totalParameters,
    });
    const tasks = [task("t", accuracy), task("u", accuracy)];
    const column = (...runs: Comparison["runs"]) =>
      comparisonTables({ methods: ["a"], tasks, runs }).map((table) => cellsByColumn(table)["Trained parameters"]![0]);
    expect(column(sized("t", 1000, 30_000), sized("u", 1000, 30_000))[0]).toBe("1,000 (3.33 %)");
    expect(column(sized("t", 1500, 30_000), sized("u", 1000, 10_000))).toEqual([
      "1,000–1,500 (5–10 %)",
      "1,500 (5 %)",
      "1,000 (10 %)",
    ]);
    expect(column(sized("t", 1000, 30_000), run("u", "a", 0, { accuracy: 1 }))[0]).toBe("1,000–1,234");
  });

  test("show the mean cost of the runs that reached a score, and how many did", () => {
    const cost = (seconds: number, step: number) => ({ seconds, step });
    const [table] = comparisonTables(oneTask, [
      {
        task: "mrpc",
        target: 0.8,
        runs: [
          { method: "lora", seed: 0, cost: cost(10, 100) },
          { method: "lora", seed: 1, cost: cost(20, 201) },
          { method: "lora", seed: 2, cost: null },
          { method: "dora", seed: 0, cost: null },
        ],
      },
    ]);
    expect(cellsByColumn(table!)).toMatchObject({
      "Time to 0.8000": ["15.0 s (2 of 3)", "not reached", "–"],
      "Steps to 0.8000": ["151 (2 of 3)", "not reached", "–"],
    });
  });

  test("use each task's own target score", () => {
    const reached = ["lm", "mrpc"].map((name, seconds) => ({
      task: name,
      target: seconds + 2,
      runs: [{ method: "lora", seed: 0, cost: { seconds, step: 1 } }],
    }));
    const times = comparisonTables(twoTasks, reached).flatMap(({ title: name, columns }) =>
      columns
        .filter(({ title }) => title.startsWith("Time to"))
        .map(({ title, cells }) => [name, title, cells[0]!.text]),
    );
    expect(times).toEqual([
      ["mrpc", "Time to 3.000", "1.0 s"],
      ["lm", "Time to 2.000", "0.0 s"],
    ]);
  });

  test("mark no best for a single method, and note single runs", () => {
    const [table] = comparisonTables({
      methods: ["lora"],
      tasks: [task("t", accuracy)],
      runs: [run("t", "lora", 0, { accuracy: 1 })],
    });
    expect(cellsByColumn(table!).Accuracy).toEqual(["1.0000"]);
    expect(table!.notes).toEqual(["One run each: differences between them may be due to chance."]);
  });

  test("compute a task's columns from its own runs", () => {
    const runs = [
      run("t", "a", 0, { accuracy: 0.25 }, { seconds: 1, peakMemoryBytes: 2 ** 20, trainedParameters: 1 }),
      run("u", "a", 0, { accuracy: 0.75 }, { seconds: 2, peakMemoryBytes: 2 ** 21, trainedParameters: 2 }),
    ];
    const tables = comparisonTables({ methods: ["a"], tasks: [task("t", accuracy), task("u", accuracy)], runs });
    const texts = tables.map(({ columns }) => columns.map(({ cells }) => cells[0]!.text));
    expect(texts).toEqual([
      ["0.2500", "0.7500", "0.5000", "1–2"],
      ["0.2500", "1", "1.0 s", "1 MiB"],
      ["0.7500", "2", "2.0 s", "2 MiB"],
    ]);
  });

  test("treat means as ties that are equal up to rounding errors", () => {
    const [table] = comparisonTables({
      methods: ["a", "b"],
      tasks: [task("t", accuracy)],
      runs: [run("t", "a", 0, { accuracy: 0.1 + 0.2 }), run("t", "b", 0, { accuracy: 0.3 })],
    });
    expect(cellsByColumn(table!).Accuracy).toEqual(["0.3000*", "0.3000*"]);
  });

  test.each([
    [
      [0.000123456, 0.0001],
      ["0.0001235*", "0.0001000"],
    ],
    [
      [-0.25, 0],
      ["−0.2500", "0.0000*"],
    ],
    [
      [-0.00001, 0.5],
      ["0.0000", "0.5000*"],
    ],
    [
      [1.5, 12345.6],
      ["2", "12346*"],
    ],
    [
      [1234, 9],
      ["1234*", "9"],
    ],
    [
      [0, 0],
      ["0.0000*", "0.0000*"],
    ],
  ])("figures of %j", ([a, b], texts) => {
    const [table] = comparisonTables({
      methods: ["a", "b"],
      tasks: [task("t", accuracy)],
      runs: [run("t", "a", 0, { accuracy: a! }), run("t", "b", 0, { accuracy: b! })],
    });
    expect(cellsByColumn(table!).Accuracy).toEqual(texts);
  });

  test("show parameter counts that differ between seeds as a range, and costs that are not numbers as a dash", () => {
    const odd = { seconds: JSON.parse("null"), peakMemoryBytes: Number.NaN };
    const [table] = comparisonTables({
      methods: ["adalora"],
      tasks: [task("t", accuracy)],
      runs: [
        run("t", "adalora", 0, { accuracy: 1 }, { ...odd, trainedParameters: 2000 }),
        run("t", "adalora", 1, { accuracy: 1 }, { ...odd, trainedParameters: 1500 }),
      ],
    });
    expect(cellsByColumn(table!)).toMatchObject({
      "Trained parameters": ["1,500–2,000"],
      Time: ["–"],
      "Peak memory": ["–"],
    });
  });

  test("do not depend on the order of runs", () => {
    expect(comparisonTables({ ...twoTasks, runs: twoTasks.runs.toReversed() })).toEqual(comparisonTables(twoTasks));
  });

  test("reject a run that is there twice", () => {
    expect(() => comparisonTables({ ...oneTask, runs: [oneTask.runs[0]!, oneTask.runs[0]!] })).toThrow("got two");
  });

  test("show dashes and no note on seeds if there are no runs", () => {
    const [table] = comparisonTables({ ...oneTask, runs: [] });
    expect(cellsByColumn(table!).Accuracy).toEqual(["–", "–", "–"]);
    expect(table!.notes).toEqual([]);
  });
});

test("the table of significance tests marks those with too few pairs", () => {
  const runs = [
    ...runsOf("t", "a", "accuracy", [0.1, 0.2, 0.3]),
    ...runsOf("t", "b", "accuracy", [0.2, 0.4, 0.6]),
    ...runsOf("t", "c", "accuracy", [0.15, 0.1]),
  ];
  const table = significanceTable(significance({ methods: ["a", "b", "c"], tasks: [task("t", accuracy)], runs }));
  expect(table.names).toEqual(["a – b", "a – c", "b – c"]);
  const columns = cellsByColumn(table);
  expect(columns.Task).toEqual(["t", "t", "t"]);
  expect(columns.Population).toEqual(Array(3).fill("seeds of this task"));
  expect(columns.Pairs).toEqual(["3", "2 (1 left out)", "2 (1 left out)"]);
  expect(columns.p!.slice(0, 2)).toEqual(["0.2500", "1.000"]);
  expect(columns["p (Holm)"]).toEqual(["0.7500 (too few)", "1.000 (too few)", "1.000 (too few)"]);
  expect(columns.Difference).toEqual(["−0.2000", "0.0250", "0.1750"]);
  expect(table.notes.at(-1)).toMatch(/^Too few: .* no outcome is significant .*; a single test needs 6\./);
  expect(significanceTable([]).notes).toEqual([]);
});

test("equal rows are counted separately, and a bootstrap's p has its standard error", () => {
  const tests = [
    bootstrapTest({ p: 0.2, pStandardError: 0.004, unmatched: 2 }),
    bootstrapTest({ differing: 400, resamples: 30_000, unmatched: 1 }),
  ];
  const table = significanceTable(tests);
  expect(cellsByColumn(table)).toMatchObject({
    Test: ["Paired bootstrap", "Paired bootstrap"],
    Population: ["rows of this task", "rows of this task"],
    Pairs: ["400 (360 equal, 2 runs left out)", "400 (1 run left out)"],
    p: ["0.2000 ± 0.0040", "0.2000 ± 0.0040"],
    Difference: ["0.1000 [−0.1000, 0.3000]", "0.1000 [−0.1000, 0.3000]"],
  });
  expect(table.notes).toEqual([
    "Tests over the rows of a task say nothing about other seeds.",
    "Differences are positive where the first method is better, also for metrics that are better when lower; in brackets the bootstrap's 95 % interval, and beside its p the Monte Carlo standard error.",
  ]);
});

test("tests over seeds and rows have an interval, and stand in place of tests over rows alone of these methods and metric", () => {
  const tests = [
    twoLevelTest({}),
    twoLevelTest({ metric: "loss", differing: 400, unmatched: 1 }),
    bootstrapTest({}),
    bootstrapTest({ b: "c", task: "t" }),
    bootstrapTest({ task: "u" }),
  ];
  const table = significanceTable(tests);
  expect(cellsByColumn(table)).toMatchObject({
    Task: ["t", "t", "t", "u"],
    Metric: ["Accuracy", "Loss", "Accuracy", "Accuracy"],
    Test: ["Bootstrap over seeds and rows", "Bootstrap over seeds and rows", "Paired bootstrap", "Paired bootstrap"],
    Pairs: ["400 (3 seeds, 360 equal)", "400 (3 seeds, 1 run left out)", "400 (360 equal)", "400 (360 equal)"],
    Difference: [...Array(2).fill("0.1000 [−0.2000, 0.4000]"), ...Array(2).fill("0.1000 [−0.1000, 0.3000]")],
    p: ["0.3000 ± 0.0050", "0.3000 ± 0.0050", "0.2000 ± 0.0040", "0.2000 ± 0.0040"],
    "p (Holm)": ["0.6000", "0.6000", "0.2000", "0.2000"],
  });
  expect(table.notes[0]).toContain("their p (Holm) is corrected over all of them in this comparison.");
  // What is not tested is not claimed.
  expect(terminalTable(table)).not.toMatch(/level|equivalen|same/i);
});

test("equivalence has a column of its own, and a note with the margin's unit", () => {
  const tests = [
    twoLevelTest({}),
    equivalenceTest({}),
    equivalenceTest({ task: "u", metric: "loss", equivalent: false }),
  ];
  const table = significanceTable(tests);
  expect(cellsByColumn(table)).toMatchObject({
    Equivalent: ["–", "yes, within ±0.5", "not shown, within ±0.5"],
    p: ["0.3000 ± 0.0050", "–", "–"],
    "p (Holm)": ["0.6000", "–", "–"],
  });
  expect(table.notes).toContain(
    "Two methods are equivalent on a task if the 90 % interval of their difference, in brackets there, lies within the margin, which is in the unit of the main metric.",
  );
});

test("the notes say what each kind of test says nothing about", () => {
  const tests = [wilcoxonTest({}), wilcoxonTest({ test: "wilcoxon-tasks", population: "tasks" }), wilcoxonTest({})];
  const table = significanceTable(tests);
  expect(cellsByColumn(table)).toMatchObject({
    Task: ["all", "all", "all"],
    Test: ["Wilcoxon", "Wilcoxon", "Wilcoxon"],
    Population: ["seeds of these tasks", "tasks", "seeds of these tasks"],
  });
  expect(table.notes[0]).toBe(
    "Tests over the seeds of these tasks say nothing about other tasks. They take tasks without common rows as independent, although one seed draws for all of them, such as the adapter's initial values. Tests over tasks compare each task's mean over seeds; they generalize to other tasks of this kind.",
  );
});

test("a test over some of the tasks names them", () => {
  const table = significanceTable([
    wilcoxonTest({ metric: "accuracy", tasks: ["mrpc", "sst2"] }),
    wilcoxonTest({ metric: "main", tasks: ["mrpc", "cola", "sst2"] }),
    wilcoxonTest({ metric: "test_f1", kind: "entities", tasks: ["a", "b"] }),
  ]);
  expect(cellsByColumn(table)).toMatchObject({
    Task: ["mrpc, sst2", "mrpc, cola, sst2", "a, b"],
    Metric: ["Accuracy", "each task's main", "Test F1 of entities"],
  });
});

test("a bootstrap over few rows is marked, and a test of another family has its own limit", () => {
  const few = (task: string, differing: number) => wilcoxonTest({ task, metric: "accuracy", pairs: 6, differing });
  const tests = [few("mrpc", 5), few("rte", 6), bootstrapTest({ pairs: 2, differing: 2 }), equivalenceTest({})];
  const columns = cellsByColumn(significanceTable(tests));
  expect(columns["p (Holm)"]!.map((text) => text.endsWith("(too few)"))).toEqual([true, false, true, false]);
  const enough = significanceTable(tests.slice(1, 2)).notes.join();
  expect(enough).not.toContain("Too few");
});

test("notes say which tasks are joined and why", () => {
  const share = ["training rows", "evaluated rows"] as const;
  const joined = [{ tasks: ["sst2", "sst2-decay"], share, repeated: ["sst2-decay"] }];
  const { notes } = significanceTable([
    wilcoxonTest({ a: "lora", b: "dora", joined }),
    wilcoxonTest({ a: "lora", b: "full", joined: [{ tasks: ["sst2", "sst2-decay"], share }] }),
    wilcoxonTest({
      test: "wilcoxon-tasks",
      population: "tasks",
      joined: [{ tasks: ["a", "b", "c"], share: ["files"] }],
    }),
  ]);
  expect(notes.slice(1, 3)).toEqual([
    "sst2, sst2-decay share training rows, evaluated rows, so they count as one.",
    "a, b, c share files, so they count as one.",
  ]);
});

test("a heading writes one row in the singular", () => {
  const of = (count: number) => scoresHeading("mrpc", { split: "test", count });
  expect([of(1), of(4693)]).toEqual(["mrpc (test, 1 row)", "mrpc (test, 4,693 rows)"]);
});

/** Names that every renderer has something against, in a table that is known to the last character. */
const awkward: ResultTable = {
  title: "a title & more",
  heading: "Method",
  names: ["完全", "a|b_c\u001b[1m", "[x]--*~"],
  columns: [
    {
      title: "F1",
      align: "right",
      cells: [
        { text: "−0.50 ± 0.01", best: false },
        { text: "0.75", best: true },
        { text: "–", best: false },
      ],
    },
    {
      title: "Perplexity ↓",
      align: "right",
      cells: [
        { text: "10 %", best: false },
        { text: "9", best: false },
        { text: "<8>", best: false },
      ],
    },
    { title: "By", align: "left", cells: ["x", "yy", "z"].map((text) => ({ text, best: false })) },
  ],
  notes: ["Of 5 % $ or\nmore."],
};

describe("renderers", () => {
  test("terminal", () => {
    const text = terminalTable(awkward);
    expect(text.split("\n")).toEqual([
      "a title & more",
      "Method                  F1   Perplexity ↓  By",
      "完全          −0.50 ± 0.01           10 %  x",
      "a|b_c\\x1b[1m          0.75*             9  yy",
      "[x]--*~                  –            <8>  z",
      "",
      "* the best mean",
      "Of 5 % $ or\\nmore.",
    ]);
    // As wide on the screen, though not as many characters.
    const [chinese, english] = text.split("\n").slice(2, 4);
    expect(stringWidth(chinese!.replace(/x$/, ""))).toBe(stringWidth(english!.replace(/yy$/, "")));
  });

  test("terminal, characters of double width in cells and titles", () => {
    const cells = ["完全", "ab"].map((text) => ({ text, best: false }));
    const column = (align: "left" | "right", title: string) => ({ title, align, cells });
    expect(
      terminalTable({
        heading: "M",
        names: ["a", "b"],
        columns: [column("right", "t"), column("left", "題名題"), column("right", "t")],
        notes: [],
      }),
    ).toBe(["M     t  題名題     t", "a  完全  完全    完全", "b    ab  ab        ab"].join("\n"));
  });

  test("Markdown", () => {
    expect(markdownTable(awkward)).toBe(
      [
        "**a title \\& more**",
        "",
        "| Method           |           F1 | Perplexity ↓ | By |",
        "| :--------------- | -----------: | -----------: | :- |",
        "| 完全             | −0.50 ± 0.01 |         10 % | x  |",
        "| a\\|b\\_c\\\\x1b\\[1m |     **0.75** |            9 | yy |",
        "| \\[x\\]--\\*\\~      |            – |        \\<8\\> | z  |",
        "",
        "- Of 5 % \\$ or\\\\nmore.",
        "",
      ].join("\n"),
    );
  });

  test("LaTeX", () => {
    expect(latexTable(awkward).split("\n")).toEqual([
      "% \\usepackage{booktabs,threeparttable}",
      "\\begin{threeparttable}",
      "\\begin{tabular}{lrrl}",
      "\\toprule",
      "\\multicolumn{4}{l}{a title \\& more} \\\\",
      "\\midrule",
      "Method & F1 & Perplexity $\\downarrow$ & By \\\\",
      "\\midrule",
      "完全 & $-$0.50 $\\pm$ 0.01 & 10 \\% & x \\\\",
      "a\\textbar{}b\\_c\\textbackslash{}x1b{[}1m & \\textbf{0.75} & 9 & yy \\\\",
      "{[}x]-{}-{*}\\textasciitilde{} & -- & \\textless{}8\\textgreater{} & z \\\\",
      "\\bottomrule",
      "\\end{tabular}",
      "\\begin{tablenotes}\\footnotesize",
      "\\item Of 5 \\% \\$ or\\textbackslash{}nmore.",
      "\\end{tablenotes}",
      "\\end{threeparttable}",
      "",
    ]);
  });

  /** Lines of a table with as many columns as given, whose cells are ten wide. */
  const linesOf = (count: number, more: Partial<ResultTable> = {}) => {
    const cells = [{ text: "0.10 ± 0.1", best: false }];
    const columns = Array.from({ length: count }, (_, i) => ({ title: `x${i}`, align: "right" as const, cells }));
    return terminalTable({ heading: "M", names: ["a"], columns, notes: [], ...more }).split("\n");
  };

  test("terminal, a table that would be too wide, closer or in parts", () => {
    expect(linesOf(8)[1]).toBe(`a${"  0.10 ± 0.1".repeat(8)}`);
    expect(linesOf(9)[1]).toBe(`a${"  0.10±0.1".repeat(9)}`);
    expect(linesOf(10)).toEqual([
      "M          x0          x1          x2          x3          x4          x5          x6          x7",
      `a${"  0.10 ± 0.1".repeat(8)}`,
      "",
      "M          x8          x9",
      `a${"  0.10 ± 0.1".repeat(2)}`,
    ]);
    const notes = [`${"word ".repeat(30)}end.`];
    expect(linesOf(1, { notes }).slice(3)).toEqual(["word ".repeat(20).trimEnd(), `  ${"word ".repeat(10)}end.`]);
  });

  test("terminal, in short: the columns that fit and are not minor, and the notes that fit into five lines", () => {
    const column = (title: string, isMinor = false) => ({
      ...{ title, isMinor, align: "right" as const, cells: [{ text: "0.10 ± 0.1", best: title === "x0" }] },
    });
    const columns = [column("x0"), column("minor", true), ...Array.from({ length: 11 }, (_, i) => column(`x${i + 1}`))];
    const table = { title: "t", heading: "M", names: ["a"], columns, notes: ["not shown"] };
    const long = "word ".repeat(30).trimEnd();
    const summary = (...notes: readonly string[]) => terminalSummary("A sentence.", [table], notes).split("\n");
    const lines = summary("one", long, "two", "three");
    expect(lines.slice(0, 4)).toEqual(["A sentence.", "", "t", expect.stringMatching(/^M +x0 +x1 .* x8$/)]);
    expect(lines.slice(5)).toEqual([
      "",
      "* the best mean",
      "one",
      ...[`${"word ".repeat(20).trimEnd()}`, `  ${"word ".repeat(10).trimEnd()}`],
      "With --verbose: all columns, tables and tests, and 2 more notes.",
    ]);
    expect(summary("one").at(-1)).toBe("With --verbose: all columns, tables and tests.");
    expect(summary(long, `another ${long}`).at(-1)).toContain("and 1 more note.");
  });

  test("terminal, rows with the same words in a part of their own if the table would be too wide", () => {
    const cell = (text: string) => ({ text, best: false });
    const words = (title: string, ...texts: readonly string[]) => ({
      ...{ title, align: "left" as const, cells: texts.map(cell) },
    });
    const of = (long: string): ResultTable => ({
      ...{ heading: "Methods", names: ["a – b", "a – c", "b – c"], notes: [] },
      columns: [
        words("Task", "t", "u", "t"),
        words("Test", long, long, long),
        { ...words("p", "0.1", "0.2", "0.3"), align: "right" },
        { ...words("Rank", "–", "1", "–"), align: "right" },
      ],
    });
    const long = "x".repeat(90);
    expect(terminalTable(of(long)).split("\n")).toEqual([
      `t, ${long}`,
      "Methods    p",
      "a – b    0.1",
      "b – c    0.3",
      "",
      `u, ${long}`,
      "Methods    p  Rank",
      "a – c    0.2     1",
    ]);
    expect(terminalTable(of("x"))).toContain("Methods  Task  Test    p  Rank");
  });

  test("leave out the title and the mark of the best if there are none", () => {
    const bare: ResultTable = {
      heading: "Methods",
      names: ["a"],
      columns: [{ title: "p", align: "right", cells: [{ text: "0.5", best: false }] }],
      notes: [],
    };
    const broken = { ...bare, columns: [{ ...bare.columns[0]!, cells: [{ text: "0\n5", best: false }] }] };
    expect(terminalTable(broken)).toBe("Methods     p\na        0\\n5");
    expect(terminalTable(bare)).toBe("Methods    p\na        0.5");
    expect(markdownTable(bare)).toBe("| Methods |   p |\n| :------ | --: |\n| a       | 0.5 |\n");
    expect(latexTable(bare)).not.toContain("multicolumn");
  });
});
