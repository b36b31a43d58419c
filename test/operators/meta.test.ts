// Training steps of every family and every method on the meta device. Its tensors have no values, so numbers that a step reads are
// stubbed; every operator refuses operands of two devices, which finds tensors that are silently made on the CPU.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  ADAPTER_METHODS,
  type AdapterConfig,
  type AdapterMethodName,
  inject,
  trainEverything,
} from "../../src/adapters/index.js";
import { METHODS, type Method, methodNames, type RunSettings } from "../../src/config/index.js";
import type { TaskModel } from "../../src/models/index.js";
import { type Module, QuantizedWeight } from "../../src/nn/index.js";
import { type EncodedRow, TASKS, type Task, type TaskKind } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { native } from "../../src/torch/native.js";
import { ReplayableMasks } from "../../src/train/masks.js";
import { planPhases } from "../../src/train/plans.js";
import { takeSnapshot } from "../../src/train/trainedTensors.js";
import { temporaryFolders } from "../io/temporaryFolder.js";
import { families, GOLDEN } from "../parity/goldenFiles.js";
import { openModel } from "../parity/support/adapted.js";
import { planSettings } from "../parity/support/phases.js";
import { encodeLanguageRows, encodeRows } from "../parity/support/rows.js";
import { twins, wideFolder } from "../parity/support/wide.js";

/** Operators that move tensors from one device to another. */
const MOVES = new Set(["aten::to.device"]);

const deviceOf = (handle: torch.Tensor["handle"]): string => {
  const last = native.describe(handle).at(-1);
  return native.describe(handle).length > 1 && typeof last === "string" ? last : "cpu";
};

/** The handles among an operator's arguments. */
function tensorsOf(operator: string, args: readonly unknown[]): number[] {
  const { arguments: declared } = native.operatorSchema(operator);
  return declared.flatMap(({ type }, i) => {
    const given = args[i];
    if (!type.startsWith("Tensor") || given === null || given === undefined) return [];
    return (Array.isArray(given) ? given : [given]).filter((handle): handle is number => typeof handle === "number");
  });
}

const folder = temporaryFolders();

const call = native.call;

beforeAll(() => {
  native.call = (index, ...args) => {
    const operator = torch.OPERATORS[index] as string;
    const devices = new Set(tensorsOf(operator, args).map(deviceOf));
    if (devices.size > 1 && !MOVES.has(operator))
      throw new Error(`${operator} has operands on ${[...devices].join(" and ")}`);
    return call(index, ...args);
  };
  const { prototype } = torch.Tensor;
  const [item, toTypedArray] = [prototype.item, prototype.toTypedArray];
  vi.spyOn(prototype, "item").mockImplementation(function (this: torch.Tensor) {
    return this.device === "meta" ? 1 : item.call(this);
  });
  vi.spyOn(prototype, "toTypedArray").mockImplementation(function (this: torch.Tensor) {
    const { shape, dtype, device } = this;
    return toTypedArray.call(device === "meta" ? torch.ones(shape, { dtype }) : this);
  });
});

afterAll(() => {
  native.call = call;
  vi.restoreAllMocks();
});

const onMeta = (tensor: torch.Tensor) => torch.keep(torch.onDevice(tensor, "meta"));

function toMeta(model: Module): void {
  for (const tensors of [model.namedParameters(), model.namedBuffers()])
    for (const [, parameter] of tensors) {
      const { values } = parameter;
      if (values instanceof QuantizedWeight) parameter.swapValues(quantizedOnMeta(values))?.dispose();
      else parameter.fill(onMeta(values.tensor));
    }
}

const quantizedOnMeta = ({ format, shape, dtype, parts }: QuantizedWeight) =>
  new QuantizedWeight(format, shape, dtype, parts.map(onMeta));

function adapt(model: TaskModel, method: Method, dtype: torch.DType) {
  const { adapter } = METHODS[method];
  if (!adapter) return trainEverything(model, dtype);
  const config = ADAPTER_METHODS[adapter as AdapterMethodName].config({
    targetModules: "all-linear",
    ...(adapter === "dora" && { normGradient: "full" }),
  } as never) as AdapterConfig;
  return inject(model, config, { generator: new torch.Generator(1), dtype });
}

interface Form {
  readonly family: string;
  readonly checkpoint?: string;
  readonly kind?: TaskKind;
  readonly method?: Method;
  readonly settings?: RunSettings;
  readonly isCheckpointed?: boolean;
  /** Its matrices are in quantized blocks. */
  readonly isQuantized?: boolean;
}

/** One step of a run's first phase. */
async function step({ family, checkpoint = "single", kind, method = "bidora", settings, ...form }: Form) {
  const wide = () => wideFolder(folder(), family, checkpoint);
  const model = form.isQuantized ? (await twins(wide())).quantized : await openModel(family, checkpoint);
  toMeta(model);
  const adapted = adapt(model, method, "float32");
  const rows = await rowsOf(family, checkpoint, kind);
  const masks = new ReplayableMasks(new torch.Generator(2), { gradientCheckpointing: form.isCheckpointed ?? false });
  const task: Task = TASKS[kind ?? "sequence-classification"];
  const setup = { model, adapted, rows, task, masks, start: takeSnapshot(adapted.trained) };
  const run = planSettings({ method, batchSize: 3, regularizer: 0.1, maxSteps: 1, ...settings });
  const [phase] = planPhases(setup, run);
  const rule = phase!.begin();
  const report = torch.scope(() => rule.step());
  expect(report.loss).toBe(1);
  for (const { name, tensor } of adapted.trained) expect(tensor.device, name).toBe("meta");
}

const rowsOf = (family: string, checkpoint: string, kind?: TaskKind): Promise<EncodedRow[]> =>
  kind === "causal-lm"
    ? encodeLanguageRows(family, { rows: "train", maxLength: 12 })
    : encodeRows(family, { checkpoint, rows: kind ? "tokens" : "train", maxLength: 12 }, kind);

const hasSingle = (family: string): boolean => existsSync(join(GOLDEN, family, "single"));

describe.each(families)("the family %s", (family) => {
  const tokens = { checkpoint: "tokens", kind: "token-classification" } as const;
  const form = { family, settings: { hypergradient: "exact" }, ...(!hasSingle(family) && tokens) } as const;
  test("a search step by the exact hypergradient", () => step(form));
  test("with gradient checkpointing", () => step({ ...form, isCheckpointed: true }));
});

test.each(methodNames)("the method %s", (method) => step({ family: "bert", checkpoint: "dropout", method }));

test.each(["finite-difference", "forward-difference", "neumann", "cg", "first-order"] as const)(
  "the hypergradient %s",
  (hypergradient) => step({ family: "bert", checkpoint: "dropout", settings: { hypergradient } }),
);

describe("a quantized base", () => {
  const trained = methodNames.filter((method) => METHODS[method].adapter !== undefined);
  test.each(trained)("with %s", (method) => step({ family: "gpt2", method, isQuantized: true }));
  test("differentiated twice", () =>
    step({ family: "bert", isQuantized: true, settings: { hypergradient: "neumann", hypergradientTerms: 1 } }));
});

test("a language model's tokens", () => step({ family: "llama", checkpoint: "lm", kind: "causal-lm", method: "lora" }));

test("an operand on another device is refused", () => {
  const x = torch.ones([2], { device: "meta" });
  expect(() => torch.mul(x, torch.ones([2]))).toThrow("aten::mul.Tensor has operands on meta and cpu");
});
