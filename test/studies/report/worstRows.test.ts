import { expect, it } from "vitest";
import { similarity, worstRows } from "../../../src/studies/report/rowSections.js";

it("puts the worst rows first, equals in their own order, and none that is right", () => {
  const rows = [0.2, 0.9, 0, 0.9, -1, 0.5].map((wrongness, place) => ({ wrongness, place }));
  const found = worstRows(rows, (row) => row.wrongness, 3);
  expect(found.map(({ row }) => row.place)).toEqual([1, 3, 5]);
  expect(worstRows(rows, (row) => row.wrongness, 20)).toHaveLength(4);
  expect(worstRows([], () => 1, 3)).toEqual([]);
});

it("says how like a text is to its nearest reference", () => {
  expect(similarity(["the cat sat", "a dog"], "a dog")).toBe(1);
  expect(similarity(["the cat sat"], "birds fly")).toBe(0);
  expect(similarity([], "anything")).toBe(0);
  expect(similarity(["the cat sat down"], "the cat")).toBeGreaterThan(similarity(["the cat sat down"], "down the"));
});
