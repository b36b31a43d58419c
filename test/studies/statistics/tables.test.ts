import stringWidth from "string-width";
import { describe, expect, test } from "vitest";
import type { Comparison } from "../../../src/base/records/comparison.js";
import { averagesOf } from "../../../src/studies/statistics/averages.js";
import { scoresHeading } from "../../../src/studies/statistics/checkComparison.js";
import { significance } from "../../../src/studies/statistics/significance.js";
import { comparisonTables } from "../../../src/studies/tables/comparisonTables.js";
import { latexTable, markdownTable, type ResultTable } from "../../../src/studies/tables/renderTable.js";
import { significanceTable } from "../../../src/studies/tables/significanceTable.js";
import { terminalTable } from "../../../src/studies/tables/terminalTable.js";
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
      Accuracy: ["0.6250 ± 0.1768", "0.7500 ± 0.0000*", "–"],
      "Perplexity ↓": ["13.00 ± 1.41*", "13.63 ± 0.18", "–"],
      "Trained parameters": ["1,234", "1,234", "–"],
    });
    expect(scores!.columns.map(({ group }) => group)).toEqual(["mrpc", "lm", ""]);
    expect(scores!.notes).toEqual(["Mean ± sample standard deviation over 2 seeds."]);
    expect(ofTasks.map(({ columns }) => columns.map(({ group, title }) => `${group} ${title}`))).toEqual([
      ["mrpc Accuracy", "mrpc Trained parameters", "mrpc Time", "mrpc Peak memory"],
      ["lm Perplexity ↓", "lm Trained parameters", "lm Time", "lm Peak memory"],
    ]);
    expect(ofTasks.map(({ notes }) => notes)).toEqual([[], ["Time and memory are means over seeds."]]);
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
    expect(table!.notes.slice(0, 2)).toEqual([
      "Average: the mean over tasks of their main metrics, for methods with all runs of all tasks; ± is the deviation over seeds of that mean with each seed.",
      "Rows: t test, 9 rows.",
    ]);
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
    const costs = comparisonTables(twoTasks, reached).flatMap(({ columns }) => columns);
    const times = costs.filter(({ title }) => title.startsWith("Time to"));
    expect(times.map(({ group, title, cells }) => [group, title, cells[0]!.text])).toEqual([
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

  test("reject target scores of tasks or methods that are not compared, and invalid comparisons", () => {
    const reached = { task: "cola", target: 1, runs: [] };
    expect(() => comparisonTables(oneTask, [reached])).toThrow('got one of "cola"');
    const vera = [{ method: "vera", seed: 0, cost: null }];
    expect(() => comparisonTables(oneTask, [{ ...reached, task: "mrpc", runs: vera }])).toThrow('got one of "vera"');
    expect(() => comparisonTables({ ...oneTask, methods: ["lora"] })).toThrow('got one of "lora+es"');
  });

  test("show dashes and no note on seeds if there are no runs", () => {
    const [table] = comparisonTables({ ...oneTask, runs: [] });
    expect(cellsByColumn(table!).Accuracy).toEqual(["–", "–", "–"]);
    expect(table!.notes).toEqual([]);
  });
});

test("the table of significance tests has notes on too few pairs", () => {
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
  expect(columns["p (Holm)"]!.slice(0, 1)).toEqual(["0.7500"]);
  expect(columns["Rank-biserial"]!.slice(0, 2)).toEqual(["−1.000", "0.3333"]);
  expect(columns.Difference).toEqual(["−0.2000", "0.0250", "0.1750"]);
  expect(table.notes.slice(3)).toEqual([
    "Wilcoxon, t, Accuracy. All 3 pairs of methods have at most 3 differing pairs, too few: the smallest p that an exact test can reach is 0.75, corrected for 3 tests; p < 0.05 needs at least 7.",
  ]);
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
    Statistic: ["–", "–"],
    "Rank-biserial": ["–", "–"],
  });
  expect(table.notes).toEqual([
    "Tests over the rows of a task say nothing about other seeds.",
    "Differences are positive where the first method is better, also for metrics that are better when lower; in brackets the bootstrap's 95 % interval.",
    "Bootstrap p-values are from 10,000 or 30,000 resamples; ± is their Monte Carlo standard error.",
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
    "Two methods are equivalent on a task if the 90 % interval of their difference, which is in brackets there, lies within ±0.5, in the unit of the main metric (Accuracy on t; Loss on u). Other metrics are not tested for equivalence.",
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

test("a test over some of the tasks says so, and a note names them", () => {
  const table = significanceTable([
    wilcoxonTest({ metric: "accuracy", tasks: ["mrpc", "sst2"] }),
    wilcoxonTest({ metric: "main", tasks: ["mrpc", "cola", "sst2"] }),
  ]);
  expect(cellsByColumn(table).Task).toEqual(["2 tasks", "3 tasks"]);
  expect(table.notes.slice(1, 3)).toEqual([
    "Accuracy is tested over 2 tasks: mrpc, sst2. Tasks without this metric on their reported rows are left out.",
    "Each task's main metric is tested over 3 tasks: mrpc, cola, sst2. Tasks whose main metric is better when lower, or that have no result, are left out.",
  ]);
});

test("a bootstrap over few rows gets a note that they are too few", () => {
  const table = significanceTable([bootstrapTest({ pairs: 2, differing: 2 })]);
  expect(table.notes.at(-1)).toContain("a – b has 2 rows that are scored differently, too few:");
});

test("notes on too few pairs name the family if there are several", () => {
  const few = (task: string, differing: number) => wilcoxonTest({ task, metric: "accuracy", pairs: 5, differing });
  const { notes } = significanceTable([few("mrpc", 5), few("cola", 5), few("sst2", 4), few("rte", 6)]);
  expect(notes.slice(-2).map((note) => note.slice(0, note.indexOf(", too few")))).toEqual([
    "Wilcoxon, mrpc, Accuracy; Wilcoxon, cola, Accuracy. a – b has 5 differing pairs",
    "Wilcoxon, sst2, Accuracy. a – b has 4 differing pairs",
  ]);
});

test("notes say which tasks are joined and why, and which runs count once", () => {
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
  expect(notes.slice(1, 4)).toEqual([
    "sst2 and sst2-decay share training rows and evaluated rows, so their pairs with one seed count as one pair, by the mean of their differences.",
    "The runs of lora and dora on sst2-decay repeat those on another of these tasks, and count once.",
    "a, b and c share files, so they count as one task, by the mean of their differences.",
  ]);
});

test("a metric of one kind is named with it", () => {
  const { notes } = significanceTable([wilcoxonTest({ metric: "test_f1", kind: "entities", tasks: ["a", "b"] })]);
  expect(notes[1]).toBe(
    "Test F1 of entities is tested over 2 tasks: a, b. Tasks without this metric on their reported rows are left out.",
  );
});

test("a heading writes one row in the singular", () => {
  const of = (count: number) => scoresHeading("mrpc", { split: "test", count });
  expect([of(1), of(4693)]).toEqual(["mrpc (test, 1 row)", "mrpc (test, 4,693 rows)"]);
});

/** Names that every renderer has something against, in a table that is known to the last character. */
const awkward: ResultTable = {
  heading: "Method",
  names: ["完全", "a|b_c\u001b[1m", "[x]--*~"],
  columns: [
    {
      group: "a group with a long name & more",
      title: "F1",
      align: "right",
      cells: [
        { text: "−0.50 ± 0.01", best: false },
        { text: "0.75", best: true },
        { text: "–", best: false },
      ],
    },
    {
      group: "lm",
      title: "Perplexity ↓",
      align: "right",
      cells: [
        { text: "10 %", best: false },
        { text: "9", best: false },
        { text: "<8>", best: false },
      ],
    },
    { group: "lm", title: "By", align: "left", cells: ["x", "yy", "z"].map((text) => ({ text, best: false })) },
  ],
  notes: ["Of 5 % $ or\nmore."],
};

describe("renderers", () => {
  test("terminal", () => {
    const text = terminalTable(awkward);
    expect(text.split("\n")).toEqual([
      "              a group with a long name & more         lm",
      "Method                                    F1   Perplexity ↓  By",
      "完全                            −0.50 ± 0.01           10 %  x",
      "a|b_c\\x1b[1m                            0.75*             9  yy",
      "[x]--*~                                    –            <8>  z",
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
    const column = (align: "left" | "right", title: string) => ({ group: "組", title, align, cells });
    expect(
      terminalTable({
        heading: "M",
        names: ["a", "b"],
        columns: [column("right", "t"), column("left", "題名題"), column("right", "t")],
        notes: [],
      }),
    ).toBe(["           組", "M     t  題名題     t", "a  完全  完全    完全", "b    ab  ab        ab"].join("\n"));
  });

  test("Markdown", () => {
    expect(markdownTable(awkward)).toBe(
      [
        "| Method           | a group with a long name \\& more: F1 | lm: Perplexity ↓ | lm: By |",
        "| :--------------- | -----------------------------------: | ---------------: | :----- |",
        "| 完全             |                         −0.50 ± 0.01 |             10 % | x      |",
        "| a\\|b\\_c\\\\x1b\\[1m |                             **0.75** |                9 | yy     |",
        "| \\[x\\]--\\*\\~      |                                    – |            \\<8\\> | z      |",
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
      " & \\multicolumn{1}{c}{a group with a long name \\& more} & \\multicolumn{2}{c}{lm} \\\\",
      "\\cmidrule(lr){2-2} \\cmidrule(lr){3-4}",
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

  test("LaTeX, with no rule above columns without a group", () => {
    const columns = [...awkward.columns, { ...awkward.columns[0]!, group: "" }];
    expect(latexTable({ ...awkward, columns })).toContain(
      "{lm} & \\multicolumn{1}{c}{} \\\\\n\\cmidrule(lr){2-2} \\cmidrule(lr){3-4}\nMethod",
    );
  });

  /** Lines of a table with as many columns of each group as given, whose cells are ten wide. */
  const linesOf = (groups: Readonly<Record<string, number>>, more: Partial<ResultTable> = {}) => {
    const cells = [{ text: "0.10 ± 0.1", best: false }];
    const columns = Object.entries(groups).flatMap(([group, count]) =>
      Array.from({ length: count }, (_, i) => ({ group, title: `${group}${i}`, align: "right" as const, cells })),
    );
    return terminalTable({ heading: "M", names: ["a"], columns, notes: [], ...more }).split("\n");
  };

  test("terminal, a table that would be too wide, closer or in parts", () => {
    expect(linesOf({ x: 8 })[2]).toBe(`a${"  0.10 ± 0.1".repeat(8)}`);
    expect(linesOf({ x: 9 })[2]).toBe(`a${"  0.10±0.1".repeat(9)}`);
    expect(linesOf({ x: 6, y: 4 })).toEqual([
      "                                      x",
      "M          x0          x1          x2          x3          x4          x5",
      `a${"  0.10 ± 0.1".repeat(6)}`,
      "",
      "                          y",
      "M          y0          y1          y2          y3",
      `a${"  0.10 ± 0.1".repeat(4)}`,
    ]);
    expect(linesOf({ x: 12 }).filter((line) => line.startsWith("a"))).toEqual([
      `a${"  0.10 ± 0.1".repeat(8)}`,
      `a${"  0.10 ± 0.1".repeat(4)}`,
    ]);
    const notes = [`${"word ".repeat(30)}end.`];
    expect(linesOf({ x: 1 }, { notes }).slice(4)).toEqual([
      "word ".repeat(20).trimEnd(),
      `  ${"word ".repeat(10)}end.`,
    ]);
  });

  test("terminal, rows with the same words in a part of their own if the table would be too wide", () => {
    const cell = (text: string) => ({ text, best: false });
    const words = (title: string, ...texts: readonly string[]) => ({
      ...{ group: "", title, align: "left" as const, cells: texts.map(cell) },
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

  test("leave out the line of groups and the mark of the best if there are none", () => {
    const bare: ResultTable = {
      heading: "Methods",
      names: ["a"],
      columns: [{ group: "", title: "p", align: "right", cells: [{ text: "0.5", best: false }] }],
      notes: [],
    };
    const broken = { ...bare, columns: [{ ...bare.columns[0]!, cells: [{ text: "0\n5", best: false }] }] };
    expect(terminalTable(broken)).toBe("Methods     p\na        0\\n5");
    expect(terminalTable(bare)).toBe("Methods    p\na        0.5");
    expect(markdownTable(bare)).toBe("| Methods |   p |\n| :------ | --: |\n| a       | 0.5 |\n");
    expect(latexTable(bare)).not.toContain("multicolumn");
  });
});
