import { expect, test } from "vitest";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { TorchError } from "../../../src/torch/index.js";
import { run } from "../../e2e/support.js";

/** A run whose second step fails with an error of libtorch. */
const failing = (message: string, settings: RunSettings = {}) => {
  const observe = ({ event, step }: { readonly event: string; readonly step?: number }) => {
    if (event === "step" && step === 2) throw new TorchError(message, "aten::mm", "", "[4096, 4096] Float");
  };
  return run(
    { method: "lora", targetModules: "all-linear", dtype: "float32", batchSize: 8, ...settings },
    { observers: [observe as never] },
  );
};

const CUDA =
  "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB of which 1 GiB is free.";
const CPU =
  "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 64000000000 bytes. Error code 12";

test.each([
  [CUDA, "2.00 GiB"],
  [CPU, "64000000000 bytes"],
])("a run that is out of memory says which setting to lower, and by how much: %s", async (message, size) => {
  await expect(failing(message)).rejects.toThrow(
    new RegExp(
      `ran out of memory when it tried to allocate ${size}: take --batch-size \\d with --gradient-accumulation \\d`,
    ),
  );
});

test("the message for a run that no setting makes smaller says so", async () => {
  const least = { batchSize: 1, gradientCheckpointing: true, dtype: "bfloat16" } as const;
  await expect(failing(CUDA, least)).rejects.toThrow("2.00 GiB: use a smaller model, or fewer trained parameters.");
});

test("another error of libtorch stays as it is", async () => {
  await expect(failing("mat1 and mat2 shapes cannot be multiplied")).rejects.toThrow("shapes cannot be multiplied");
});
