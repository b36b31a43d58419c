import { expect, test } from "vitest";
import { activation } from "../../../src/models/nn/index.js";

test.each(["constructor", "toString", "__proto__", "geluu"])("the activation %s is refused", (name) => {
  expect(() => activation(name)).toThrow(
    `The model's activation "${name}" is not supported; known are gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu, swish, tanh.`,
  );
});
