import { expect, test, vi } from "vitest";
import { freePort } from "../../../src/app/launcher/launch.js";
import * as torch from "../../../src/torch/index.js";
import { expectSameBits } from "../sameBits.js";

/** A group of one rank, whose sums are its own tensors. */
async function withGroup(body: (ranks: torch.Ranks) => void): Promise<void> {
  vi.stubEnv("TORCH_CPP_LOG_LEVEL", "ERROR");
  const group = { host: "127.0.0.1", port: await freePort(), servesStore: true, restarts: 0 };
  const ranks = await torch.joinRanks({ rank: 0, size: 1, localRank: 0, ...group } as torch.Place, 20);
  try {
    torch.scope(() => body(ranks));
  } finally {
    ranks.leave();
  }
}

const leaf = (shape: readonly number[], seed: number) =>
  torch.normal_(torch.empty(shape), 0, 1, { generator: new torch.Generator(seed) }).setRequiresGrad(true);

test("gradients that are sent while the backward pass goes on are those of grad", () =>
  withGroup((ranks) => {
    // The first two fill a bucket each.
    const inputs = [leaf([6_600_000], 1), leaf([3000, 2300], 2), leaf([5], 3), leaf([2, 3], 4)];
    const [a, b, c] = inputs as [torch.Tensor, torch.Tensor, torch.Tensor];
    const loss = () =>
      torch.add(torch.add(torch.sum(torch.sin(a)), torch.sum(torch.exp(b))), torch.sum(torch.square(c)));
    const expected = torch.grad([loss()], inputs, { allowUnused: true });
    for (let step = 0; step < 2; step++) {
      const sum = ranks.startSum(inputs);
      const own = sum.gradients(loss());
      expect(own[3]).toBe(undefined);
      const zero = torch.zeros([2, 3]);
      const [total, ...sums] = sum.finish(torch.tensor([7], []), [...own.slice(0, 3), zero] as torch.Tensor[]);
      expect(total.item()).toBe(7);
      for (const [i, gradient] of [...expected.slice(0, 3), zero].entries()) expectSameBits(sums[i]!, gradient!);
    }
    // No hook is left: gradients of later passes are their own.
    const [again] = torch.grad([torch.sum(torch.square(c))], [c]);
    expectSameBits(again!, torch.detach(torch.mulScalar(c, 2)));
  }));

test("gradients that were sent are not sent again", () =>
  withGroup((ranks) => {
    const input = leaf([3], 1);
    const sum = ranks.startSum([input]);
    sum.gradients(torch.sum(input));
    expect(() => sum.gradients(torch.sum(torch.exp(input)))).toThrow("a second time");
  }));

test("gradients of results and sums of different dtypes are refused", () =>
  withGroup((ranks) => {
    const input = leaf([3], 1);
    const result = torch.mulScalar(input, 2);
    expect(() => ranks.startSum([result]).gradients(torch.sum(result))).toThrow("leaves");
    expect(() => ranks.startSum([input, leaf([2], 2), torch.zeros([1], { dtype: "float64" })])).toThrow("dtypes");
  }));
