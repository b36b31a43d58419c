import { expect, test } from "vitest";
import * as torch from "../../src/torch/index.js";

const leaf = (...values: number[]) => torch.tensor(values, [values.length], "float64").setRequiresGrad(true);

test("a tape records the calls that a gradient flows through, with their arguments and tensors", () => {
  torch.scope(() => {
    const x = leaf(1, 2);
    const { result, tape } = torch.recordTape(() => {
      const held = torch.noGrad(() => torch.mulScalar(x, 5));
      torch.square(torch.detach(x));
      return torch.add(torch.mulScalar(x, 3), held, { alpha: 2 });
    });
    expect(tape.calls.map(({ operator }) => operator)).toEqual(["aten::mul.Scalar", "aten::add.Tensor"]);
    const [times, add] = tape.calls as [torch.TapeCall, torch.TapeCall];
    expect(times.arguments).toEqual([{ place: tape.find(x) }, 3]);
    expect(add.arguments[2]).toBe(2);
    expect(add.inputs).toHaveLength(2);
    expect(add.results).toEqual([tape.find(result)]);
    expect(add.writes).toBe(false);
    const other = torch.tensor([10, 20], [2], "float64");
    expect(tape.replay(times, [other])[0]!.toArray()).toEqual([30, 60]);
    tape.prune([tape.find(x)!]);
    expect(tape.tensor(times.inputs[0]!)!.toArray()).toEqual([1, 2]);
    expect(tape.tensor(add.results[0]!)).toBeUndefined();
    tape.drop(times.inputs);
    expect(tape.tensor(times.inputs[0]!)).toBeUndefined();
    tape.dispose();
    tape.dispose();
  });
});

test("lists of tensors are replayed in order, and a call that writes to an argument is marked", () => {
  torch.scope(() => {
    const [x, y] = [leaf(1, 2), leaf(3)];
    const { tape } = torch.recordTape(() => torch.mulScalar_(torch.cat([x, y], 0), 2));
    const [join, times] = tape.calls as [torch.TapeCall, torch.TapeCall];
    expect(join.inputs).toEqual([tape.find(x), tape.find(y)]);
    expect(tape.replay(join, [y, x])[0]!.toArray()).toEqual([3, 1, 2]);
    expect(times.writes).toBe(true);
    expect(times.results).toEqual(times.inputs);
    tape.dispose();
  });
});

test("watched tensors get their gradients after pruning, with unchanged bits", () => {
  torch.scope(() => {
    const [x, unused] = [leaf(1, 2), leaf(7)];
    const forward = () => {
      const inner = torch.square(x);
      return [inner, torch.sum(torch.sin(inner))] as const;
    };
    const [inner, loss] = forward();
    const expected = torch.grad([loss], [x, inner]).map((gradient) => gradient!.toArray());
    const { result, tape } = torch.recordTape(forward);
    tape.prune([], [tape.find(result[0])!]);
    const [ofX, ofUnused, ofInner] = tape.gradients(result[1], [x, unused]);
    expect([ofX!.toArray(), ofInner!.toArray()]).toEqual(expected);
    expect(ofUnused).toBeUndefined();
    tape.dispose();
  });
});

test("tensors without gradients and unknown tensor numbers are refused", () => {
  torch.scope(() => {
    const x = leaf(1, 2);
    const { result, tape } = torch.recordTape(() => torch.sum(torch.square(torch.detach(x))));
    expect(() => tape.gradients(result, [x])).toThrow("expected a scalar that requires a gradient");
    expect(() => tape.gradients(torch.square(x), [x])).toThrow("expected a scalar that requires a gradient");
    for (const place of [0, -1, Number.NaN]) expect(() => tape.tensor(place)).toThrow("expected a place on the tape");
    tape.dispose();
  });
});

test("one tape is recorded at a time, an error ends it, and nothing leaks", () => {
  const before = torch.liveHandles();
  torch.scope(() => {
    const x = leaf(1);
    expect(() => torch.recordTape(() => torch.recordTape(() => x))).toThrow("a tape is already being recorded");
    expect(() =>
      torch.recordTape(() => {
        torch.square(x);
        throw new Error("mine");
      }),
    ).toThrow("mine");
    torch.recordTape(() => torch.square(x)).tape.dispose();
  });
  expect(torch.liveHandles()).toBe(before);
});
