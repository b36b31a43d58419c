import { describe, expect, it } from "vitest";
import { namedDatasets } from "../../src/tasks/datasets/index.js";
import { checkValues, goalOf, type ScorerOptions, TASKS, type Task, type TaskKind } from "../../src/tasks/index.js";
import { score } from "../../src/tasks/metrics/index.js";

const LABELS = ["no", "yes"];
const CLASSES = { targets: [1, 1, 0, 0], predicted: [1, 0, 0, 0] };

/** A task's metrics of references and of predictions as `predict` prints them. */
function scored(
  kind: TaskKind,
  options: Omit<ScorerOptions, "labels"> & { readonly labels?: readonly string[] },
  references: readonly unknown[],
  predictions: readonly object[],
) {
  const { main, metric } = (TASKS[kind] as Task).scorer({ labels: [], ...options });
  const pairs = references.map((reference, i) => [reference, predictions[i] as object] as const);
  return { main, goal: goalOf(main, metric), metrics: score(metric, pairs) };
}

function classes(
  { labels = LABELS, ...options }: Partial<ScorerOptions>,
  { targets, predicted }: typeof CLASSES = CLASSES,
) {
  const predictions = predicted.map((id) => ({ label: labels[id] }));
  return scored("sequence-classification", { labels, ...options }, targets, predictions);
}

describe("classification metrics", () => {
  it.each([
    ["glue/cola", { matthewsCorrelation: 1 / Math.sqrt(3) }],
    ["glue/mrpc", { accuracy: 0.75, f1: 2 / 3 }],
    ["glue/qqp", { accuracy: 0.75, f1: 2 / 3 }],
    ["glue/sst2", { accuracy: 0.75 }],
    ["glue/mnli", { accuracy: 0.75 }],
    ["glue/qnli", { accuracy: 0.75 }],
    ["glue/rte", { accuracy: 0.75 }],
    [undefined, { accuracy: 0.75, f1: 2 / 3 }],
  ] as const)("metrics of the data set %s", (name, expected) => {
    const { main, goal, metrics } = classes({ metrics: name && namedDatasets[name].metrics });
    expect(Object.keys(metrics)).toEqual(Object.keys(expected));
    for (const [key, value] of Object.entries(expected)) expect(metrics[key]).toBeCloseTo(value, 12);
    expect([main, goal]).toEqual([Object.keys(expected)[0], "maximize"]);
  });

  it("F1 does not depend on the order of the labels", () => {
    const turned = { targets: [0, 0, 1, 1], predicted: [0, 1, 1, 1] };
    for (const [first, second] of [
      ["no", "yes"],
      ["0", "1"],
      ["-1", "1"],
      ["9", "10"],
    ] as const) {
      expect(classes({ labels: [first, second] }).metrics.f1).toBeCloseTo(2 / 3, 12);
      expect(classes({ labels: [second, first] }, turned).metrics.f1).toBeCloseTo(2 / 3, 12);
    }
  });

  it("F1 is that of the positive label", () => {
    expect(classes({ positive: 0 }).metrics.f1).toBeCloseTo(4 / 5, 12);
  });

  it("more than two classes have the macro F1", () => {
    const { main, metrics } = classes({ labels: ["a", "b", "c"] });
    expect(metrics).toEqual({ accuracy: 0.75, macroF1: (2 / 3 + 4 / 5) / 2 });
    expect(main).toBe("accuracy");
  });
});

it("regression is scored by squared error, STS-B by correlation", () => {
  const predictions = [2, 4, 6].map((value) => ({ value }));
  const general = scored("regression", {}, [1, 2, 3], predictions);
  expect([general.main, general.goal]).toEqual(["meanSquaredError", "minimize"]);
  expect(Object.keys(general.metrics)).toEqual(["meanSquaredError", "pearson", "spearman"]);
  const stsb = scored("regression", { metrics: namedDatasets["glue/stsb"].metrics }, [1, 2, 3], predictions);
  expect([stsb.main, stsb.goal]).toEqual(["pearson", "maximize"]);
  expect(Object.keys(stsb.metrics)).toEqual(["pearson", "spearman"]);
});

it("the correlation of constant numbers is 0, with a note", () => {
  const notesOf = (references: readonly number[], values: readonly number[]) => {
    const { metric } = TASKS.regression.scorer({ labels: [] });
    const rows = references.map((reference, i) => metric.measure(reference, { value: values[i] as number }, i + 1));
    return { result: metric.result(rows), notes: metric.notes?.(rows) };
  };
  const { result, notes } = notesOf([1, 2, 3], [0.1, 0.1, 0.1]);
  expect(result).toMatchObject({ pearson: 0, spearman: 0 });
  expect(notes).toEqual([
    "The predictions are constant: correlations are undefined (scipy gives nan), and reported as 0.",
  ]);
  expect(notesOf([2, 2], [1, 2]).notes).toEqual([expect.stringMatching(/^The references are constant: /)]);
  expect(notesOf([1, 2], [1, 2]).notes).toEqual([]);
});

it("every task declares whether higher values are better; an undeclared value is refused", () => {
  const minimized = ["loss", "perplexity", "meanSquaredError", "rewards_rejected", "logps_rejected"];
  for (const task of Object.values(TASKS) as Task[]) {
    const { main, metric } = task.scorer({ labels: ["O", "B-X"] });
    for (const name of [main, ...Object.keys(metric.values)])
      expect([name, goalOf(name, metric)]).toEqual([name, minimized.includes(name) ? "minimize" : "maximize"]);
  }
  const own = { values: { error: { goal: "minimize" } } } as const;
  expect(goalOf("error", own)).toBe("minimize");
  for (const name of ["accuracy", "toString", "__proto__"])
    expect(() => goalOf(name, own)).toThrow(`No metric of the task says whether a higher "${name}" is better`);
  expect(() => checkValues({ error: 1, other: 2 }, own)).toThrow('a higher "other"');
});

it("entities in BILOU are found strictly where no label is only in BIOES", () => {
  const f1Of = (labels: readonly string[], tags: readonly string[], predicted: readonly string[]) =>
    scored("token-classification", { labels }, [tags], [{ labels: predicted }]);
  const tags = ["U-X", "O", "B-X", "I-X", "L-X"];
  const bilou = ["O", "B-X", "I-X", "L-X", "U-X"];
  expect(f1Of(bilou, tags, tags)).toMatchObject({ main: "f1", metrics: { accuracy: 1, f1: 1 } });
  // One entity right, one without its end.
  expect(f1Of(bilou, tags, ["U-X", "O", "B-X", "I-X", "I-X"]).metrics).toMatchObject({ precision: 1, recall: 0.5 });
  // Labels of IOB are read leniently, as ever; ends of both schemes say of neither which it is.
  expect(f1Of(["O", "B-X", "I-X"], ["I-X", "O"], ["B-X", "O"]).metrics.f1).toBe(1);
  for (const more of ["E-X", "S-Y", "X-X", "L", "ADJ"])
    expect(f1Of([...bilou, more], tags, tags)).toMatchObject({ main: "accuracy", metrics: { accuracy: 1 } });
});

it("notes name references that break BILOU, and labels that mix two schemes", () => {
  const notesOf = (labels: readonly string[], rows: readonly (readonly string[])[]) => {
    const { metric } = (TASKS["token-classification"] as Task).scorer({ labels });
    return metric.notes!(rows.map((row, i) => metric.measure(row as never, { labels: row } as never, i + 1)));
  };
  const bilou = ["O", "B-X", "I-X", "L-X", "U-X"];
  const whole = ["U-X", "O", "B-X", "I-X", "L-X"];
  expect(notesOf(bilou, [whole, ["O"]])).toEqual([]);
  for (const broken of [["B-X", "I-X", "O"], ["L-X"], ["B-X", "U-X"], ["U-X", "B-X"]])
    expect(notesOf(bilou, [whole, broken, broken])).toEqual([
      "The labels are read as BILOU, but the references of 2 of 3 rows violate that scheme: their malformed entities are not counted.",
    ]);
  expect(notesOf(["O", "B-X", "I-X"], [["I-X"], ["B-X", "I-X"]])).toEqual([]);
  expect(notesOf([...bilou, "S-X"], [whole])).toEqual([
    expect.stringContaining("ends of both BIOES (E-, S-) and BILOU (L-, U-): entities are not scored"),
  ]);
  expect(notesOf(["NOUN", "VERB"], [["NOUN"]])).toEqual([]);
});

it("entities are scored only where the labels are entity tags", () => {
  const words = (labels: readonly string[], targets: readonly number[], predicted: readonly (string | null)[]) =>
    scored("token-classification", { labels }, [targets.map((label) => labels[label])], [{ labels: predicted }]);
  const entities = words(["O", "B-DNA", "I-DNA"], [1, 2, 0], ["B-DNA", "O", null]);
  expect(entities.main).toBe("f1");
  expect(entities.metrics).toEqual({ accuracy: 1 / 3, precision: 0, recall: 0, f1: 0 });
  // Of two kinds of entities the rows together count, not the mean over kinds.
  const kinds = words(["O", "B-DNA", "B-RNA"], [1, 0, 1, 0, 2], ["B-DNA", "O", "B-DNA", "O", "O"]);
  expect(kinds.metrics).toMatchObject({ precision: 1, recall: 2 / 3, f1: 0.8 });
  expect(words(["O", "B-DNA", "NOUN"], [0], ["O"]).main).toBe("accuracy");
  expect(words(["NOUN", "VERB"], [0, 1], ["NOUN", "NOUN"]).metrics).toEqual({ accuracy: 0.5 });
});

it("multi-label metrics", () => {
  const targets = [
    [1, 0],
    [0, 1],
  ];
  const predictions = [{ labels: ["no"] }, { labels: ["no", "yes"] }];
  const { main, metrics } = scored("multi-label-classification", { labels: LABELS }, targets, predictions);
  expect(main).toBe("microF1");
  expect(metrics).toMatchObject({ microF1: 0.8, macroF1: (2 / 3 + 1) / 2, subsetAccuracy: 0.5 });
});

it("precision and recall are for the positive label", () => {
  const { metrics } = classes({ metrics: ["precision", "recall", "f1"] });
  expect(metrics).toEqual({ precision: 1, recall: 0.5, f1: 2 / 3 });
});
