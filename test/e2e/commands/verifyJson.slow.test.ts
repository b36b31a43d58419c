import { describe, expect, test } from "vitest";
import { ESTIMATORS } from "../../../src/training/hypergradients/estimators.js";
import { bidora, SMALL_FLAGS } from "../support.js";

interface Verified {
  dtype: string;
  estimators: { name: string; target: string; cosine: number; relativeError: number; seconds: number }[];
  implicit: { cosine: number; relativeError: number; residual: number; products: number };
  secondOrderShare: number;
  notes: string[];
}

const FLAGS = [...SMALL_FLAGS, "--xi", "1", "--implicit-products", "9"];

async function verified(...flags: string[]): Promise<Verified> {
  const { status, stdout, stderr } = await bidora("verify-hypergradient", ...FLAGS, ...flags, "--json", "--quiet");
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout.match(/\n/g)).toHaveLength(1);
  return JSON.parse(stdout) as Verified;
}

const errorOf = ({ estimators }: Verified, name: string): number =>
  estimators.find((estimator) => estimator.name === name)?.relativeError as number;

/** How near tangents come to double backward of the whole step. */
const AGREEMENT = {
  float64: { cosine: 1e-12, error: 1e-10 },
  float32: { cosine: 1e-6, error: 1e-5 },
  bfloat16: { cosine: 1e-3, error: 0.04 },
};

describe("verify-hypergradient --json", () => {
  test.each([
    ["float64", ["--precision", "float64"]],
    ["float32", ["--precision", "float32"]],
    ["float32", ["--dtype", "float32"]],
    ["bfloat16", ["--dtype", "bfloat16"]],
  ])("in %s by %s is one line with all figures of each estimator", async (dtype, flags) => {
    const found = await verified(...flags);
    expect(Object.keys(found)).toEqual(["dtype", "estimators", "secondOrderShare", "notes", "implicit"]);
    expect(found.dtype).toBe(dtype);
    expect(found.estimators.map(({ name }) => name)).toEqual(Object.keys(ESTIMATORS));
    for (const { cosine, relativeError, seconds } of found.estimators) {
      expect(Math.abs(cosine)).toBeLessThanOrEqual(1 + 1e-12);
      expect(relativeError).toBeGreaterThanOrEqual(0);
      expect(seconds).toBeGreaterThan(0);
    }
    const { cosine, relativeError } = found.estimators.find(
      ({ name }) => name === "exact",
    ) as Verified["estimators"][0];
    expect(1 - cosine).toBeLessThan(AGREEMENT[dtype as keyof typeof AGREEMENT].cosine);
    expect(relativeError).toBeLessThan(AGREEMENT[dtype as keyof typeof AGREEMENT].error);
    expect(found.secondOrderShare).toBeGreaterThan(0);
    expect(found.implicit).toMatchObject({ products: 9 });
    for (const { name, target } of found.estimators)
      expect(target, name).toBe(["neumann", "cg"].includes(name) ? "implicit" : "unrolled");
    // What first-order leaves out is the second term.
    expect(errorOf(found, "first-order")).toBeCloseTo(found.secondOrderShare, 12);
  });

  test("computes in the precision asked for", async () => {
    const double = await verified("--precision", "float64");
    const single = await verified("--precision", "float32");
    const ratio = double.secondOrderShare / single.secondOrderShare;
    expect(ratio).not.toBe(1);
    expect(Math.abs(ratio - 1)).toBeLessThan(0.1);
    const unsolved = expect.stringMatching(
      /^The implicit target is solved to a residual of \S+ only, after 9 products/,
    );
    const curvature = expect.stringMatching(/^--hypergradient cg met a direction of negative curvature/);
    expect([double.notes, single.notes]).toEqual([
      [unsolved, curvature],
      [unsolved, curvature],
    ]);
    const [first] = (await verified("--dtype", "bfloat16")).notes;
    expect(first).toMatch(/^In bfloat16 finite-difference is off by /);
  });

  test("has the figures of the table", async () => {
    const { stdout } = await bidora("verify-hypergradient", ...FLAGS, "--precision", "float64");
    const { estimators, implicit, secondOrderShare } = await verified("--precision", "float64");
    for (const { name, cosine, relativeError } of estimators)
      expect(stdout).toMatch(
        new RegExp(`^${name} +${cosine.toFixed(6)} +${relativeError.toExponential(2).replace("+", "\\+")} `, "m"),
      );
    const { cosine, products } = implicit;
    expect(stdout).toContain(`Implicit against unrolled target: cosine ${cosine.toFixed(6)}, `);
    expect(stdout).toContain(`solved by ${products} products`);
    expect(stdout).toContain(`Second-order share of the hypergradient's norm: ${secondOrderShare.toPrecision(3)}`);
  });
});
