import { expect, it } from "vitest";
import { codePointSpans, lossMask } from "../../src/tasks/chatSpans.js";

it("a token is marked if it contains a character of a span, even if it begins before the span or ends after it", () => {
  const offsets = [
    [0, 2],
    [2, 5],
    [5, 5],
    [5, 6],
    [6, 9],
    [9, 12],
  ] as const;
  expect(lossMask(offsets, [[3, 7]])).toEqual([false, true, true, true, true, false]);
  expect(
    lossMask(offsets, [
      [2, 5],
      [9, 10],
    ]),
  ).toEqual([false, true, false, false, false, true]);
  expect(lossMask(offsets, [])).toEqual(offsets.map(() => false));
});

it("spans are converted to code points", () => {
  expect(
    codePointSpans("a😀b😀", [
      [1, 3],
      [3, 6],
    ]),
  ).toEqual([
    [1, 2],
    [2, 4],
  ]);
});
