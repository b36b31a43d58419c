import { expect, test } from "vitest";

const file: string = new URL("../../scripts/generate/claims.js", import.meta.url).href;
const { claimsOf } = (await import(file)) as { claimsOf(study: string, found: object): string[] };

test("a claim over all tasks is decided by the ranks' side, which can differ from the mean's", () => {
  const scores = { a: [0.5, 0.5, 0.5], b: [0.4, 0.4, 0.9] };
  const tasks = ["one", "two"].map((name) => ({ name, metrics: [{ name: "accuracy", goal: "maximize" }] }));
  const runs = tasks.flatMap(({ name }) =>
    Object.entries(scores).flatMap(([method, values]) =>
      values.map((accuracy, seed) => ({ task: name, method, seed, metrics: { accuracy } })),
    ),
  );
  const wilcoxon = { test: "wilcoxon", a: "a", b: "b", metric: "main", pHolm: 0.01, effect: { rankBiserial: 0.5 } };
  const claims = (joined?: unknown[]) =>
    claimsOf("none", {
      pairs: [["a", "b"]],
      tasks,
      runs,
      tests: [{ ...wilcoxon, ...(joined && { joined }) }],
    });
  expect(claims().join("")).toMatch(
    /all tasks: \*\*b\*\* against a: mean over tasks \+0\.067 .*p 0\.010, worse by ranks\./,
  );
  expect(claims([{}])).toEqual([]);
});
