import { describe, expect, test } from "vitest";
import { doraConfig, freezeNorms, inject } from "../../../src/models/adapters/index.js";
import * as torch from "../../../src/torch/index.js";
import { EVALUATION_WITH_GRADIENT, IDS, perturb, SmallModel } from "./smallModel.js";

function open(normGradient: "detached" | "full", targetModules: readonly string[]) {
  const model = new SmallModel();
  const config = doraConfig({ targetModules, rank: 2, normGradient });
  const adapted = inject(model, config, { generator: new torch.Generator(3), dtype: "float64" });
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const logits = () => model.forward(IDS, EVALUATION_WITH_GRADIENT).toArray();
  const directions = adapted.trained.filter(({ role }) => role === "direction").map(({ tensor }) => tensor);
  return { adapted, logits, directions };
}

describe.each([["words"], ["query", "value"]])("norms of %s", (...targets) => {
  const held = (normGradient: "detached" | "full") => {
    const { adapted, logits, directions } = open(normGradient, targets);
    const release = freezeNorms(adapted);
    perturb(directions, 9);
    const during = logits();
    release();
    return { during, after: logits() };
  };

  test("that are constants stay frozen while directions move, until released", () => {
    const { during, after } = held("detached");
    expect(during).not.toEqual(after);
    const { logits, directions } = open("detached", targets);
    perturb(directions, 9);
    expect(after).toEqual(logits());
  });

  test("that gradients flow through follow the moved directions", () => {
    const { during, after } = held("full");
    expect(during).toEqual(after);
  });
});
