import { expect, test } from "vitest";

const file: string = new URL("../../scripts/generate/claims.js", import.meta.url).href;
const { claimsOf } = (await import(file)) as { claimsOf(study: string, found: object): string[] };

test("a claim's gain is that of the second method, whichever of the two the test names first", () => {
  const tasks = [{ name: "one", metrics: [{ name: "accuracy", goal: "maximize" }] }];
  const test = {
    test: "two-level",
    task: "one",
    metric: "accuracy",
    difference: 0.02,
    low: 0.01,
    high: 0.04,
    pHolm: 0.01,
  };
  const claim = (a: string, b: string) =>
    claimsOf("none", { pairs: [["a", "b"]], tasks, tests: [{ ...test, a, b }] }).join("");
  expect(claim("b", "a")).toContain("one: **b** against a: Accuracy +0.020 (+0.010 to +0.040; p 0.010), better.");
  expect(claim("a", "b")).toContain("one: **b** against a: Accuracy −0.020 (−0.040 to −0.010; p 0.010), worse.");
});
