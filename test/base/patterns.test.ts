import { describe, expect, test } from "vitest";
import { exactPattern, fullMatch, groupAt, isPattern } from "../../src/base/patterns.js";
import { resolveRun } from "../../src/tasks/config/index.js";

const path = "bert.encoder.layer.11.attention.self.query";

describe("regular expressions over module paths", () => {
  test.each([
    [".*query", true],
    ["query", false],
    ["bert|bert.*", true],
    ["(?i).*QUERY", true],
    ["^bert.*query$", true],
    [".*\\.(?P<which>query|value)", true],
    // Not supported by RE2.
    ["^(?!.*lm_head).*query", true],
    ["^(?!.*attention).*query", false],
    [".*(?<=self)\\.query", true],
    [".*(e).*qu\\1ry", true],
  ])("%s", (expression, expected) => {
    expect(fullMatch(expression, path)).toBe(expected);
  });

  test("groupAt returns the group of the first match", () => {
    expect(groupAt("\\.(?P<layer>\\d+)\\.", path, "layer")).toBe("11");
    expect(groupAt("(?!x)\\.(?P<layer>\\d+)\\.", path, "layer")).toBe("11");
    expect(groupAt("\\.(?P<layer>\\d+)$", path, "layer")).toBeUndefined();
  });

  test("an exact pattern matches only its own path", () => {
    expect(fullMatch(exactPattern("a.b+"), "a.b+")).toBe(true);
    expect(fullMatch(exactPattern("a.b+"), "axb+")).toBe(false);
  });
});

describe("expensive expressions stop within the time limit", () => {
  const long = "bert.encoder.layer.attention.self.query".repeat(4);

  test.each(["(([a-z]|[a-z.])+)+!", "(a|a|b|.)*(.*)*(.*)*!", "(.*\\.)*(.*\\.)*(.*\\.)*(.*)*!"])("%s", (expression) => {
    const began = performance.now();
    expect(fullMatch(expression, long)).toBe(false);
    expect(performance.now() - began).toBeLessThan(500);
  });

  test("one that backtracks is stopped by a limit over all paths together", () => {
    const began = performance.now();
    for (let i = 0; i < 2; i++)
      expect(() => fullMatch("(?!x)(([a-z]|[a-z.])+)+!", long)).toThrow(
        'The pattern "(?!x)(([a-z]|[a-z.])+)+!" for module paths takes too long: write it without look-ahead and back-references.',
      );
    expect(performance.now() - began).toBeLessThan(2500);
  });

  test("one with too many automaton states is refused", () => {
    expect(() => fullMatch("[a-z.]{1000}".repeat(100), long)).toThrow(/^The pattern "\[a-z.*…" .* is too large/);
  });
});

test.each([
  ["(", "Unterminated group"],
  ["a++", "Nothing to repeat"],
  ["[z-a]", "Range out of order in character class"],
  ["query\\Z", "Invalid escape"],
])("%s is refused with its reason, in options too", (expression, why) => {
  expect(() => fullMatch(expression, path)).toThrow(
    `The pattern ${JSON.stringify(expression)} for module paths cannot be read: ${why}.`,
  );
  expect(isPattern(expression)).toBe(false);
  expect(() => resolveRun({ model: "m", targetModules: expression })).toThrow(/targetModules takes .* got/);
  expect(() => resolveRun({ model: "m", rankPattern: { [expression]: 2 } })).toThrow(/rankPattern takes .* got/);
});
