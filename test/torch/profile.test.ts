import { afterEach, expect, it } from "vitest";
import * as torch from "../../src/torch/index.js";

afterEach(() => {
  try {
    torch.stopProfile();
  } catch {}
});

function step(): void {
  const weight = torch.ones([4, 3]).setRequiresGrad(true);
  torch.pushRange("model.dense");
  const hidden = torch.linear(torch.ones([2, 3]), weight);
  torch.popRange();
  torch.pushRange("loss");
  const loss = torch.sum(torch.square(hidden));
  torch.popRange();
  torch.backward(loss);
}

it("records operators with shapes, in the ranges of their forward calls", () => {
  torch.startProfile({ shapes: true });
  step();
  const events = torch.stopProfile();
  const find = (name: string) => events.find((event) => event.name === name);
  expect(find("aten::linear")).toMatchObject({
    kind: "operator",
    range: "model.dense",
    shapes: "[2, 3] [4, 3]",
    depth: 1,
  });
  expect(find("MmBackward0")).toMatchObject({ kind: "backward", range: "model.dense" });
  expect(find("PowBackward0")).toMatchObject({ kind: "backward", range: "loss" });
  expect(find("model.dense")).toMatchObject({ kind: "range", depth: 0, range: undefined });
  expect(events.some((event) => event.name.includes("evaluate_function"))).toBe(false);
});

it("nests events by time", () => {
  torch.startProfile();
  torch.pushRange("outer");
  step();
  torch.pushRange("left open");
  const events = torch.stopProfile();
  const open: { depth: number; endMicros: number }[] = [];
  for (const { startMicros, durationMicros, depth } of events) {
    open.length = depth;
    const endMicros = startMicros + durationMicros;
    for (const around of open) expect(endMicros).toBeLessThanOrEqual(around.endMicros + 0.001);
    open.push({ depth, endMicros });
  }
  expect(events.filter((event) => event.kind === "range").map((event) => [event.name, event.range])).toEqual([
    ["outer", undefined],
    ["model.dense", "outer"],
    ["loss", "outer"],
    ["left open", "outer"],
  ]);
});

it("survives errors, and records only between start and stop", () => {
  torch.startProfile();
  expect(() => torch.startProfile()).toThrow(/already/);
  expect(() => torch.matmul(torch.ones([2, 3]), torch.ones([2, 3]))).toThrow();
  torch.ones([1]);
  expect(torch.stopProfile().find((event) => event.name === "aten::ones" && event.depth > 0)).toBeUndefined();
  expect(() => torch.stopProfile()).toThrow(/start one first/);
  torch.pushRange("nobody listens");
  torch.popRange();
  torch.startProfile();
  torch.popRange();
  expect(torch.stopProfile()).toEqual([]);
});
