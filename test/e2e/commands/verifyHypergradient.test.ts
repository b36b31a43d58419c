import { describe, expect, test } from "vitest";
import { parseArguments } from "../../../src/app/cli/args.js";
import { verifyCommand, verifyHypergradient } from "../../../src/app/commands/verifyHypergradient.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { bidora, oneLayer, run, SMALL } from "../support.js";

type Settings = Omit<Parameters<typeof verifyHypergradient>[0], "precision">;
const MODEL = oneLayer("bert/single");
const verify = (settings: Settings, precision?: "float32" | "float64") => {
  const { maxSteps: _, ...small } = SMALL;
  const asked = precision ? { precision } : ({ dtype: "float32" } as const);
  return verifyHypergradient({ ...small, model: MODEL, xi: 1, implicitProducts: 2, ...asked, ...settings });
};

const errorsOf = ({ estimators }: Awaited<ReturnType<typeof verify>>) =>
  Object.fromEntries(estimators.map(({ name, relativeError }) => [name, relativeError]));

const byBatchSize = new Map<number, ReturnType<typeof verify>>();
/** The result with default settings, computed once for each batch size. */
function byDefault(batchSize: number): ReturnType<typeof verify> {
  const known = byBatchSize.get(batchSize) ?? verify({ batchSize });
  byBatchSize.set(batchSize, known);
  return known;
}

describe("verify-hypergradient gives the hypergradient of the run", () => {
  test.each([
    { unrollSteps: 2 },
    { gradientAccumulation: 2 },
    { dtype: "bfloat16" },
    { dropLast: true, batchSize: 3 },
    { shuffle: false },
    { hypergradient: "first-order" },
    { upperLearningRate: 0.1 },
    { upperWeightDecay: 0.5 },
    { searchFraction: 0.5 },
    { hypergradientTerms: 1, xi: "learning-rate" },
  ] satisfies Settings[])("with %o", async (settings) => {
    const { batchSize } = { ...SMALL, ...settings };
    expect(errorsOf(await verify(settings))).not.toEqual(errorsOf(await byDefault(batchSize)));
  });

  test("in the run's dtype, or in another on request", async () => {
    const notesIn = (dtype: string) => [
      expect.stringMatching(`^The implicit target is solved .* after 2 products in ${dtype},`),
      expect.stringMatching(/^--hypergradient cg met a direction of negative curvature/),
    ];
    expect(await byDefault(SMALL.batchSize)).toMatchObject({
      dtype: "float32",
      implicit: { products: 2 },
      notes: notesIn("float32"),
    });
    const precise = await verify({}, "float64");
    expect(precise).toMatchObject({ dtype: "float64", notes: notesIn("float64") });
    expect(errorsOf(precise)["finite-difference"]).toBeLessThan(1e-2);
  });

  test("and reports the error of finite differences in bfloat16", async () => {
    const coarse = await verify({ dtype: "bfloat16" });
    const percent = (name: string) => (100 * errorsOf(coarse)[name]!).toPrecision(2);
    expect(coarse.notes[0]).toBe(
      `In bfloat16 finite-difference is off by ${percent("finite-difference")} % and forward-difference is off by ${percent("forward-difference")} %: take --hypergradient exact, or --dtype float32.`,
    );
    expect(errorsOf(coarse)["finite-difference"]).toBeGreaterThan(0.05);
  });
});

test.each([
  { method: "oft", rank: 4, upper: "head" },
  { method: "oft", rank: 4, upper: "head", oftCayleyNeumann: false, gradientCheckpointing: true },
  { method: "prediag", rank: 3, upper: "prediag" },
  { method: "prediag", rank: 3, upper: "lora-b", dropout: 0.2, gradientCheckpointing: true },
] satisfies Settings[])("the exact estimator gives the derivative of the unrolled step with %o", async (settings) => {
  const { exact, "first-order": first } = errorsOf(await verify(settings, "float64"));
  expect(exact).toBeLessThan(1e-10);
  expect(first).toBeGreaterThan(1e-4);
});

test("the command prints the comparison, and refuses settings without effect on it", async () => {
  const given = ["verify-hypergradient", "--model", MODEL, "--train", SMALL.train];
  const { status, stdout } = await bidora(
    ...given,
    "--batch-size",
    "4",
    "--dtype",
    "bfloat16",
    "--implicit-products",
    "2",
  );
  expect(status).toBe(0);
  expect(stdout).toMatch(/^In bfloat16:\nestimator +cosine/);
  expect(stdout).toContain("In bfloat16 finite-difference is off by ");
  const both = await bidora(...given, "--precision", "float32", "--dtype", "float32");
  expect(both).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("--precision and --dtype are mutually exclusive"),
  });
  for (const flags of [
    ["--epochs", "2"],
    ["--max-steps", "2"],
    ["--schedule", "constant"],
    ["--warmup-ratio", "0"],
    ["--validation", SMALL.train],
    ["--test", SMALL.train],
  ])
    expect(() => parseArguments(verifyCommand.options, flags), flags[0]).toThrow(flags[0]);
});

test("a run warns at its start about finite differences in bfloat16", async () => {
  const noted = async (settings: RunSettings) =>
    (await run({ method: "bidora", maxSteps: 1, retrainSteps: 0, ...settings })).notes.filter((note) =>
      note.includes("loses accuracy"),
    );
  for (const hypergradient of ["finite-difference", "forward-difference"] as const)
    expect(await noted({ hypergradient, dtype: "bfloat16" })).toEqual([
      `--hypergradient ${hypergradient} loses accuracy in bfloat16: use exact, or --dtype float32; \`bidora verify-hypergradient\` measures it.`,
    ]);
  expect(await noted({ hypergradient: "finite-difference", dtype: "float32" })).toEqual([]);
  expect(await noted({ hypergradient: "exact", dtype: "bfloat16" })).toEqual([]);
});
