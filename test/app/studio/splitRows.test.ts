// Which rows of a file are for training, validation and test.
import { expect, test } from "vitest";
import { FLAG, IndexBuilder } from "../../../src/app/studio/data/indexData.js";
import { assignRows, countParts, type SplitPlan } from "../../../src/app/studio/data/splitRows.js";

interface Row {
  readonly key: string;
  readonly label?: string;
  readonly isEmpty?: boolean;
}

function indexOf(rows: readonly Row[]) {
  const builder = new IndexBuilder({ task: "sequence-classification" }, new Set(["leaked"]));
  for (const [i, { key, label, isEmpty = false }] of rows.entries()) {
    const labels = label === undefined ? [] : [label];
    builder.add({ key, texts: [isEmpty ? "" : key], labels, isLabeled: label !== undefined }, i, i + 1);
  }
  return builder.finish(["text", "label"]);
}

const plan = (parts: Partial<SplitPlan> = {}): SplitPlan => ({
  validation: 0.2,
  test: 0.1,
  seed: 0,
  remove: [],
  ...parts,
});
const rowsOf = (count: number, label: string): Row[] =>
  Array.from({ length: count }, (_, i) => ({ key: `${label} ${i}`, label }));

test("each label has its share in each part, and all together have theirs", () => {
  const rows = [...rowsOf(700, "a"), ...rowsOf(200, "b"), ...rowsOf(97, "c"), ...rowsOf(3, "d")];
  const parts = assignRows(indexOf(rows), plan());
  expect(countParts(parts)).toEqual({ train: 700, validation: 200, test: 100, leftOut: 0 });
  for (const [label, count] of [
    ["a", 700],
    ["b", 200],
    ["c", 97],
  ] as const)
    for (const [part, share] of [0.7, 0.2, 0.1].entries()) {
      const found = rows.filter((row, i) => row.label === label && parts[i] === part).length;
      expect(Math.abs(found - share * count)).toBeLessThan(1.5);
    }
});

test("the seed decides, and the rows are drawn from all places", () => {
  const index = indexOf(rowsOf(1000, "a"));
  const [one, again, other] = [0, 0, 1].map((seed) => assignRows(index, plan({ seed })));
  expect(again).toEqual(one);
  expect(other).not.toEqual(one);
  const places = [...one!].flatMap((part, row) => (part === 1 ? [row] : []));
  expect(places.filter((row) => row < 500).length).toBeGreaterThan(60);
  expect(places.filter((row) => row < 500).length).toBeLessThan(140);
});

test("rows with the same input are in one part, whatever their labels", () => {
  const rows = Array.from({ length: 600 }, (_, i) => ({ key: String(i % 100), label: i % 7 === 0 ? "a" : "b" }));
  const parts = assignRows(indexOf(rows), plan());
  for (const [i, part] of parts.entries()) expect(part).toBe(parts[i % 100]);
  expect(countParts(parts)).toEqual({ train: 420, validation: 120, test: 60, leftOut: 0 });
});

test("of repeated rows the first that can be kept stays", () => {
  const rows: Row[] = [
    ...rowsOf(10, "a"),
    { key: "same" },
    { key: "same", label: "a" },
    { key: "same", label: "b" },
    { key: "leaked", label: "a" },
  ];
  const parts = assignRows(indexOf(rows), plan({ test: 0, remove: ["duplicate", "unlabeled", "leaked"] }));
  expect([...parts.slice(10)].map((part) => part === 3)).toEqual([true, false, true, true]);
  expect(countParts(parts)).toEqual({ train: 9, validation: 2, test: 0, leftOut: 3 });
  expect(FLAG.leaked & indexOf(rows).flags[13]!).not.toBe(0);
});

test("empty texts are left out alone", () => {
  const rows = [...rowsOf(8, "a"), { key: "x", label: "a", isEmpty: true }];
  const parts = assignRows(indexOf(rows), plan({ test: 0, remove: ["empty"] }));
  expect(parts[8]).toBe(3);
  expect(countParts(assignRows(indexOf(rows), plan({ test: 0 }))).leftOut).toBe(0);
});

test("a part without rows is refused", () => {
  expect(() => assignRows(indexOf(rowsOf(3, "a")), plan())).toThrow("The test rows would be none");
  const same = Array.from({ length: 50 }, () => ({ key: "same", label: "a" }));
  expect(() => assignRows(indexOf(same), plan())).toThrow("too many equal ones");
});
