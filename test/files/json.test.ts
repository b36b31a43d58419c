import { expect, test } from "vitest";
import { withFloatsOf } from "../../src/files/json.js";

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
