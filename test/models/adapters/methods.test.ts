import { describe, expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  type AdapterMethod,
  attachAdapter,
  eject,
  inject,
  merge,
  readAdapter,
  savedTensors,
  type TargetedConfig,
  toLora,
  writeAdapter,
} from "../../../src/models/adapters/index.js";
import { reinject } from "../../../src/models/adapters/inject.js";
import { EVALUATION } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { expectClose } from "../../parity/goldenFiles.js";
import { differentiable } from "../../torch/operators/passes.js";
import { EVALUATION_WITH_GRADIENT, IDS, perturb, SmallModel } from "./smallModel.js";

const newFolder = temporaryFolders();
const methods: [string, AdapterMethod][] = Object.entries(ADAPTER_METHODS);
const ORIGIN = { taskType: "SEQ_CLS", baseModel: "some/base", revision: undefined, metadata: undefined };

/** Everything that is no head is adapted, where a method adapts layers, of which the smallest has 5 inputs. */
const configOf = (method: AdapterMethod) =>
  method.config({ targetModules: "all-linear", modulesToSave: ["classifier"], rank: 3 } as Partial<TargetedConfig>);

function open(method: AdapterMethod, { dtype = "float64" as torch.DType, isTrained = true } = {}) {
  const model = new SmallModel(dtype);
  const adapted = inject(model, configOf(method), { generator: new torch.Generator(3), dtype });
  if (isTrained) perturb(adapted.trained.map(({ tensor }) => tensor));
  return { model, adapted };
}

describe.each(methods)("the method %s", (name, method) => {
  test("has a configuration with its own name", () => {
    expect(method.config({}).method).toBe(name);
  });

  test("gives the base model's exact outputs when new, with and without dropout", () => {
    for (const [context, isTwice] of [
      [EVALUATION, false],
      [EVALUATION_WITH_GRADIENT, false],
      [EVALUATION_WITH_GRADIENT, true],
    ] as const) {
      const outputs = (model: SmallModel) => differentiable(isTwice, () => model.forward(IDS, context)).toArray();
      expect(outputs(open(method, { isTrained: false }).model)).toEqual(outputs(new SmallModel()));
    }
  });

  test("has its parameters in the model's tree under the names of a file", () => {
    const { model, adapted } = open(method);
    const plain = Array.from(new SmallModel().namedParameters(), ([path]) => path);
    expect(Array.from(model.baseParameters(), ([path]) => path)).toEqual(plain);
    const inTree = new Map(model.namedParameters());
    const named = [...savedTensors(adapted)].filter(([path]) => !path.includes("base_layer"));
    for (const [path, tensor] of named) expect(inTree.get(path)?.tensor, path).toBe(tensor);
    const added = [...inTree.keys()].filter((path) => !plain.includes(path));
    expect(named.map(([path]) => path)).toEqual(expect.arrayContaining(added));
    eject(adapted);
    expect(Array.from(model.namedParameters(), ([path]) => path)).toEqual(plain);
    reinject(adapted);
    expect([...new Map(model.namedParameters()).keys()]).toEqual([...inTree.keys()]);
  });

  test("trains exactly the tensors that it lists", () => {
    const { model, adapted } = open(method);
    torch.backward(torch.sum(torch.square(model.forward(IDS, EVALUATION_WITH_GRADIENT))));
    const trained = new Set(adapted.trained.map(({ tensor }) => tensor));
    for (const { name, tensor } of adapted.trained) expect(tensor.grad, name).toBeDefined();
    for (const [path, { tensor }] of model.namedParameters())
      expect(tensor.requiresGrad, path).toBe(trained.has(tensor));
  });

  test("merges without changing the outputs; the model is unchanged after unmerging and after a refusal", () => {
    const { model, adapted } = open(method);
    const before = model.forward(IDS, EVALUATION);
    if (adapted.modules.some(({ adapter, layer }) => adapter.whyNotMerged(layer) !== undefined)) {
      expect(() => merge(adapted)).toThrow(
        /^encoder\.layer\.0\.query is followed by .*, which cannot be merged into a weight and a bias/,
      );
      expect(() => toLora(adapted)).toThrow(/which cannot be merged into a weight and a bias/);
      expect(model.forward(IDS, EVALUATION).toArray()).toEqual(before.toArray());
      return;
    }
    const unmerge = merge(adapted);
    expectClose(model.forward(IDS, EVALUATION), before, 1e-12);
    unmerge();
    expect(model.forward(IDS, EVALUATION).toArray()).toEqual(before.toArray());
  });

  test("has the same bits after saving and reading", async () => {
    const { model, adapted } = open(method, { dtype: "float32" });
    const folder = newFolder();
    writeAdapter(folder, { config: adapted.config, tensors: savedTensors(adapted), ...ORIGIN });
    const read = await readAdapter(folder);
    expect([...read.tensors.keys()].sort()).toEqual([...savedTensors(adapted).keys()].sort());
    const again = new SmallModel("float32");
    attachAdapter(again, read, { generator: new torch.Generator(9) });
    expect(again.forward(IDS, EVALUATION).toArray()).toEqual(model.forward(IDS, EVALUATION).toArray());
    expect([read.baseModel, read.taskType]).toEqual(["some/base", "SEQ_CLS"]);
  });

  test("converts a run's settings to a configuration and back", () => {
    const settings = {
      ...{ rank: 3, alpha: 5, rslora: true, dropout: 0.2, targetModules: ["query"] },
      ...{ rankPattern: { query: 2 }, alphaPattern: { query: 4 }, magnitudeAxis: "in", normGradient: "full" },
      initLoraWeights: "pissa",
      ...{ adaloraInitRank: 5, adaloraTinit: 2, adaloraTfinal: 4, adaloraDeltaT: 3, adaloraOrthogonalWeight: 0.1 },
      ...{ adapterSize: 6, adapterPlacement: "pfeiffer", ia3FeedforwardModules: ["query"], ia3InitWeights: false },
      ...{ missMiniRank: 3, deloraLambda: 3 },
      ...{ oftBlockShare: true, oftCayleyNeumann: true, oftCayleyTerms: 4, oftCoft: true, oftEps: 1e-3 },
    } as const;
    const { normGradient: _choice, ...decided } = settings;
    const used = Object.entries(decided).filter(([key]) => key in method.options);
    const subLayerOutputs = { attention: ["query"], feedForward: ["value"] };
    const model = { modelType: "bert", defaultTargetModules: ["query"], subLayerOutputs };
    expect(method.toSettings(method.config(method.fromSettings(settings, model)))).toEqual(Object.fromEntries(used));
  });
});
