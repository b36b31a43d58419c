import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parsedJson, readJsonObject, withFloatsOf } from "../../../src/base/records/json.js";
import { freshPath } from "../../support/workFolder.js";

test("a file is refused that is nested so deeply that functions would run out of stack", () => {
  const nested = (levels: number): string => `{"a": ${"[".repeat(levels)}${"]".repeat(levels)}}`;
  const path = freshPath("config.json");
  writeFileSync(path, nested(50_000));
  expect(() => readJsonObject(path)).toThrow(`${path} is nested more than 200 levels deep.`);
  expect(parsedJson(nested(50_000))).toBeUndefined();
  writeFileSync(path, nested(199));
  expect(readJsonObject(path)).toHaveProperty("a");
});

test("1.0 stays a float and 1 stays an integer", () => {
  const source = `{"p": 0.0, "rope": {"theta" : 1e4,"n":-2.0}, "eps": 1e-12, "count": 3, "text": "\\"p\\": 7.0", "q": 5.0}`;
  const value = { ...(JSON.parse(source) as object), count: 4, q: 6, added: 0 };
  expect(withFloatsOf(source, value)).toBe(`{
  "p": 0.0,
  "rope": {
    "theta": 1e4,
    "n": -2.0
  },
  "eps": 1e-12,
  "count": 4,
  "text": "\\"p\\": 7.0",
  "q": 6,
  "added": 0
}`);
});
