import { describe, expect, test } from "vitest";
import * as torch from "../../src/torch/index.js";
import { expectSameBits } from "./sameBits.js";

const leaf = (shape: readonly number[], seed: number) =>
  torch.normal_(torch.empty(shape), 0, 1, { generator: new torch.Generator(seed) }).setRequiresGrad(true);

/** A part with an input that is used twice, parameters, a constant, and a norm that is one. */
function part(x: torch.Tensor, weight: torch.Tensor, gain: torch.Tensor): torch.Tensor {
  const size = torch.noGrad(() => torch.sqrt(torch.sum(torch.square(weight))));
  const y = torch.mul(torch.fastLinear(x, weight), torch.div(gain, size));
  return torch.add(torch.dropout(torch.fusedGelu(y), 0.3, 7, 1), x);
}

describe("a checkpointed part", () => {
  const [x, weight, gain] = [leaf([5, 6], 1), leaf([6, 6], 2), leaf([6], 3)];

  function gradients(isCheckpointed: boolean) {
    const run = (from: torch.Tensor) =>
      isCheckpointed ? torch.checkpoint(() => part(from, weight, gain)) : part(from, weight, gain);
    const loss = torch.sum(torch.sin(run(run(torch.mulScalar(x, 2)))));
    return [loss, ...torch.grad([loss], [x, weight, gain])] as torch.Tensor[];
  }

  test("has the same bits as without checkpointing", () => {
    const [kept, made] = [gradients(false), gradients(true)];
    for (const [i, tensor] of kept.entries()) expectSameBits(made[i]!, tensor, `${i}`);
  });

  test("gives the requested gradients, again where the graph is kept", () => {
    const y = torch.checkpoint(() => part(x, weight, gain));
    const loss = torch.sum(torch.square(y));
    const [first] = torch.grad([loss], [gain], { retainGraph: true });
    const [again] = torch.grad([loss], [gain]);
    const [expected] = torch.grad([torch.sum(torch.square(part(x, weight, gain)))], [gain]);
    expectSameBits(first!, expected!);
    expectSameBits(again!, expected!);
    expect(() => torch.grad([loss], [gain])).toThrow();
  });

  test("may have several outputs, one without a gradient, and one that is an input", () => {
    const parts = () => {
      const y = torch.square(x);
      return [torch.sin(y), torch.argmax(y, 1), x, torch.mulScalar(y, 3)] as const;
    };
    const [sine, places, same, thrice] = torch.checkpoint(parts);
    expect(same).toBe(x);
    expect(places.requiresGrad).toBe(false);
    expect(places.toArray()).toEqual(parts()[1].toArray());
    for (const [i, output] of [sine, thrice].entries()) {
      const [found] = torch.grad([torch.sum(output)], [x], { retainGraph: true });
      expectSameBits(found!, torch.grad([torch.sum(parts()[i === 0 ? 0 : 3])], [x])[0]!);
    }
    const [both] = torch.grad([torch.add(torch.sum(sine), torch.sum(thrice))], [x]);
    const [a, , , b] = parts();
    expectSameBits(both!, torch.grad([torch.add(torch.sum(a), torch.sum(b))], [x])[0]!);
  });

  test("keeps no intermediate tensor", () => {
    const sizes = torch.scope(() => {
      const before = torch.liveHandles();
      const y = torch.checkpoint(() => torch.scope(() => part(x, weight, gain)));
      return [before, torch.liveHandles(), y.numel];
    });
    expect(sizes[1]! - sizes[0]!).toBeLessThanOrEqual(2);
  });

  test("runs as it is under noGrad, and where nothing needs a gradient", () => {
    expectSameBits(
      torch.noGrad(() => torch.checkpoint(() => part(x, weight, gain))),
      torch.noGrad(() => part(x, weight, gain)),
    );
    const plain = torch.detach(x);
    expect(torch.checkpoint(() => torch.sin(plain)).requiresGrad).toBe(false);
  });

  test("has no second derivative", () => {
    const loss = torch.sum(torch.checkpoint(() => part(x, weight, gain)));
    expect(() => torch.grad([loss], [x], { createGraph: true })).toThrow("no second derivative");
  });

  test("is refused where a repeated call would give another result", () => {
    const generator = new torch.Generator(1);
    expect(() => torch.checkpoint(() => torch.mulScalar_(torch.square(x), 2))).toThrow(
      "cannot repeat aten::mul_.Scalar, which writes to its arguments",
    );
    expect(() =>
      torch.checkpoint(() => torch.mulScalar(x, torch.randint(5, [1], { generator, dtype: "int64" }).item())),
    ).toThrow("cannot repeat aten::randint.generator, which draws random numbers");
    expectSameBits(
      torch.checkpoint(() => torch.sin(x)),
      torch.sin(x),
    ); // what was begun has ended
  });

  test("rethrows the error of its body", () => {
    expect(() =>
      torch.checkpoint(() => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    const { tape } = torch.recordTape(() => torch.sin(x));
    expect(tape.calls).toHaveLength(1);
    tape.dispose();
  });

  test("fails if a parameter changed before the backward pass", () => {
    const moved = leaf([6, 6], 4);
    const loss = torch.sum(torch.checkpoint(() => torch.fastLinear(x, moved)));
    torch.noGrad(() => torch.mulScalar_(moved, 2));
    expect(() => torch.grad([loss], [x])).toThrow("modified by an inplace operation");
  });
});
