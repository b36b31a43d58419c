import { afterEach, describe, expect, test, vi } from "vitest";
import * as torch from "../../src/torch/index.js";
import { native } from "../../src/torch/native/native.js";

/** Makes libtorch say that it has these devices. */
const having = (counts: ReturnType<typeof native.deviceCounts>) =>
  vi.spyOn(native, "deviceCounts").mockReturnValue(counts);

torch.engineFacts(); // loads the addon, whose functions can be replaced only then
afterEach(() => vi.restoreAllMocks());

describe("the device that is chosen automatically is", () => {
  test.each([
    ["the CPU without any other", {}, "cpu"],
    ["the CPU without a card for a libtorch with CUDA", { cuda: 0 }, "cpu"],
    ["the first of several CUDA cards", { cuda: 2 }, "cuda:0"],
    ["MPS", { mps: 1 }, "mps:0"],
    ["CUDA before MPS", { cuda: 1, mps: 1 }, "cuda:0"],
  ])("%s", (_, counts, device) => {
    having(counts);
    expect(torch.resolveDevice("auto")).toBe(device);
  });
});

test("a device has one name", () => {
  having({ cuda: 12, mps: 1 });
  const named = ["cpu", "cuda", "cuda:0", "cuda:11", "mps", "mps:0", "meta"].map((choice) =>
    torch.resolveDevice(choice),
  );
  expect(named).toEqual(["cpu", "cuda:0", "cuda:0", "cuda:11", "mps:0", "mps:0", "meta"]);
});

describe("a device that is not there is refused with what there is", () => {
  test.each([
    ["cuda", {}, /^The device cuda is not there: this libtorch \(\d.*\) is built for the CPU, not for CUDA; leave out/],
    ["mps", { cuda: 1 }, /mps is not there: this libtorch \(.*\) is built for the CPU and CUDA, not for MPS;/],
    ["cuda", { cuda: 0 }, "this libtorch is built for CUDA, but finds no such device on this machine; leave out"],
    [
      "cuda:7",
      { cuda: 2 },
      "The device cuda:7 is not there: this machine has 2 CUDA devices, cuda:0 to cuda:1; leave out",
    ],
    ["cuda:1", { cuda: 1 }, "this machine has 1 CUDA device, cuda:0; leave out"],
    ["tpu", { cuda: 1 }, "The device tpu is not there: expected cpu, cuda, cuda:N or mps; leave out"],
  ])("%s of %j", (device, counts, message) => {
    having(counts);
    expect(() => torch.resolveDevice(device)).toThrow(message);
    expect(() => torch.resolveDevice(device)).toThrow("`bidora doctor`");
  });
});

test("a tensor is made on its device from numbers, with their dtype or another one", () => {
  const made = torch.tensor([1, 2, 3, 4], [2, 2], "bfloat16", "meta");
  expect([made.device, made.dtype, made.shape]).toEqual(["meta", "bfloat16", [2, 2]]);
  expect(torch.fromBytes(new Uint8Array(8), [2], "float32", "meta").device).toBe("meta");
});
