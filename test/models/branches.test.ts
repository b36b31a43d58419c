// Answers to one prompt whose common tokens are computed once, against each sequence alone.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { trainEverything } from "../../src/models/adapters/index.js";
import { type Branches, branchedInput } from "../../src/models/branches.js";
import { loadModel, modelInput } from "../../src/models/index.js";
import * as torch from "../../src/torch/index.js";
import { GOLDEN } from "../support/golden.js";

const TEXTS: readonly Branches[] = [
  { prefix: 5, lengths: [3, 7], inputIds: [4, 9, 7, 11, 5, 21, 22, 23, 9, 8, 7, 6, 5, 4, 10] },
  { prefix: 1, lengths: [2, 1], inputIds: [6, 30, 31, 32] },
  { prefix: 0, lengths: [4, 2], inputIds: [12, 13, 14, 15, 16, 17] },
  { prefix: 9, lengths: [1, 1, 12], inputIds: Array.from({ length: 23 }, (_, i) => (i * 5) % 37) },
  { prefix: 4, lengths: [2], inputIds: [1, 2, 3, 4, 5, 6] },
];

const sequencesOf = ({ prefix, lengths, inputIds }: Branches): number[][] => {
  let end = prefix;
  return lengths.map((length) => {
    end += length;
    return [...inputIds.slice(0, prefix), ...inputIds.slice(end - length, end)];
  });
};

async function load(folder: string) {
  const options = {
    head: { className: "ForCausalLM" },
    outputs: 0,
    dtype: "float64",
    generator: new torch.Generator(0),
  } as const;
  const { model } = await loadModel(join(GOLDEN, folder, "lm"), options);
  return { model, trained: trainEverything(model, "float64").trained.map(({ tensor }) => tensor) };
}

const CONTEXT = { masks: undefined };
const FAMILIES = ["gpt2", "llama", "mistral", "qwen2", "qwen3", "gemma3_text", "phi3", "smollm3"];

describe.each(FAMILIES)("%s", (family) => {
  test("states and gradients are those of each sequence alone", async () => {
    const { model, trained } = await load(family);
    const { backbone } = model;
    const input = branchedInput(TEXTS, backbone, "cpu");
    const picked = input.spans.flatMap(({ prefix, ends }) =>
      ends.flatMap(({ first, ids }) => [
        ...prefix.ids.map((_, i) => prefix.first + i),
        ...ids.map((_, i) => first + i),
      ]),
    );
    const together = backbone.forward(input, CONTEXT, torch.tensor(picked, [picked.length], "int64"));
    const rows = TEXTS.flatMap(sequencesOf).map((inputIds) => ({ inputIds, tokenTypeIds: inputIds.map(() => 0) }));
    const alone = backbone.forward(modelInput(rows), CONTEXT);
    expect(input.inputIds.numel).toBeLessThan(alone.shape[0]!);
    expect(torch.max(torch.abs(torch.sub(together, alone))).item()).toBeLessThan(1e-10);

    const weights = torch.sin(torch.reshape(torch.arange(alone.numel, { dtype: "float64" }), alone.shape));
    const [found, wanted] = [together, alone].map((states) =>
      torch.grad([torch.sum(torch.mul(states, weights))], trained, { allowUnused: true }),
    );
    for (const [i, gradient] of found!.entries()) {
      if (!gradient) continue;
      const error = torch.norm(torch.sub(gradient, wanted![i]!)).item();
      expect(error).toBeLessThan(1e-9 * (1 + torch.norm(wanted![i]!).item()));
    }
  });
});

test("common tokens are repeated where a model's keys depend on the length of the whole sequence", () => {
  const switches = { cacheStaysValid: (before: number, after: number) => before > 8 === after > 8 };
  const [first, ...others] = TEXTS;
  const one = branchedInput([first!], switches, "cpu");
  expect(one.shared).toBeUndefined();
  expect(one.layout.lengths).toEqual([8, 12]);
  expect(one.spans[0]!.ends.map(({ before }) => before)).toEqual([4, 12]);
  expect(branchedInput([others[0]!], switches, "cpu").shared?.layout.lengths).toEqual([3, 2]);
});
