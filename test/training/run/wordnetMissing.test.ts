// Without METEOR's dictionary, work whose texts would be scored ends before it begins.
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { BidoraError } from "../../../src/base/errors.js";
import { evaluated, fresh, GOLDEN, jsonl, run, write } from "../../e2e/support.js";

vi.mock("@bidora/text-metrics", async (original) => {
  const metrics = await original<typeof import("@bidora/text-metrics")>();
  const missing = () => {
    throw new metrics.TextMetricError("WORDNET_MISSING", "run `npm install wordnet`.");
  };
  return { ...metrics, requireWordnet: missing };
});

const model = join(GOLDEN, "gpt2/lm");
const missing = expect.objectContaining({ name: BidoraError.name, code: "WORDNET_MISSING" });

test("without WordNet, a run of a data set scored by METEOR ends before training", async () => {
  const rows = "name[n],the cat sat\nname[m],the cat sat on mat\n";
  const data = dirname(write("trainset.csv", `mr,ref\n${rows}`));
  for (const name of ["devset.csv", "testset_w_refs.csv"]) writeFileSync(join(data, name), `mr,ref\n${rows}`);
  const output = fresh();
  await expect(run({ model, task: "e2e-nlg", data, train: undefined, method: "lora", output })).rejects.toThrow(
    missing,
  );
  expect(existsSync(join(output, "adapter_model.safetensors"))).toBe(false);
});

test("without WordNet, an evaluation of texts ends before generation, and one without texts works", async () => {
  const data = jsonl({ prompt: "the cat", completion: " sat" }, { prompt: "the mat", completion: " sat" });
  const settings = { model, task: "causal-lm", data } as const;
  await expect(evaluated({ ...settings, texts: true })).rejects.toThrow(missing);
  expect(Object.keys(await evaluated(settings))).toContain("perplexity");
});
