import { join } from "node:path";
import { expect, test } from "vitest";
import { loadModel } from "../../src/models/index.js";
import * as torch from "../../src/torch/index.js";
import { GOLDEN } from "../parity/goldenFiles.js";
import { headFor } from "./ownHead.js";

test("loading with conversion leaves one tensor per parameter", async () => {
  const generator = new torch.Generator(5);
  const before = torch.liveHandles();
  const { model } = await loadModel(join(GOLDEN, "bert/single"), {
    ...headFor("sequence-classification", 2),
    dtype: "bfloat16",
    generator,
  });
  expect(torch.liveHandles() - before).toBe(Array.from(model.namedParameters()).length);
});
