import { expect, it } from "vitest";
import { LayerStack, StackLayer } from "../../src/models/backbone.js";
import { EVALUATION, type ForwardContext, rowLayout } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { twiceDifferentiable } from "../../src/torch/operators/choose.js";

class Doubled extends StackLayer {
  forward(x: torch.Tensor): torch.Tensor {
    return torch.mulScalar(x, 2);
  }
}

class Unchanged extends StackLayer {
  forward(x: torch.Tensor): torch.Tensor {
    return x;
  }
}

const layout = rowLayout([2]);

it("keeps only the last layer's output", () => {
  const stack = new LayerStack([new Doubled(), new Unchanged(), new Doubled(), new Doubled()]);
  torch.scope(() => {
    const x = torch.ones([2, 3]);
    const before = torch.liveHandles();
    const y = stack.forward(x, layout, EVALUATION);
    expect(torch.liveHandles() - before).toBe(1);
    expect(y.toArray()).toEqual([8, 8, 8, 8, 8, 8]);
    expect(x.isDisposed).toBe(false);
  });
});

it("gives correct gradients through released outputs", () => {
  class Squared extends StackLayer {
    forward(x: torch.Tensor): torch.Tensor {
      return torch.square(x);
    }
  }
  torch.scope(() => {
    const x = torch.tensor([3], [1, 1]).setRequiresGrad(true);
    const y = new LayerStack([new Squared(), new Squared(), new Squared()]).forward(x, layout, EVALUATION);
    expect(torch.grad([y], [x])[0]?.item()).toBe(8 * 3 ** 7); // d x⁸ / dx
  });
});

it("recomputes layers in the backward pass with gradient checkpointing, but not for second derivatives", () => {
  torch.scope(() => {
    const x = torch.tensor([3], [1, 1]).setRequiresGrad(true);
    const stack = new LayerStack([new Doubled(), new Doubled()]);
    const callsIn = (context: Partial<ForwardContext>) => {
      const { tape } = torch.recordTape(() => stack.forward(x, layout, { ...EVALUATION, ...context }));
      tape.dispose();
      return tape.calls.map(({ operator }) => operator);
    };
    const plain = ["aten::mul.Scalar", "aten::mul.Scalar"];
    expect(callsIn({})).toEqual(plain);
    expect(callsIn({ gradientCheckpointing: true })).toEqual(["checkpoint", "checkpoint"]);
    expect(twiceDifferentiable(() => callsIn({ gradientCheckpointing: true }))).toEqual(plain);
  });
});
