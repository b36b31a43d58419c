// Adapters that start from the error of the base's packed weights, as PEFT starts them by LoftQ.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/formats/checkpoint.js";
import { saveSafetensors } from "../../src/formats/safetensors/safetensors.js";
import {
  type AdaptedModel,
  doraConfig,
  inject,
  type LowRankConfig,
  loraConfig,
  startFromError,
} from "../../src/models/adapters/index.js";
import { MAGNITUDE } from "../../src/models/adapters/lowRankLayers.js";
import { loadModel, modelInput, type TaskModel, withOriginalWeights } from "../../src/models/index.js";
import { type BaseDtype, EVALUATION, PACKED_DTYPES } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { temporaryFolders } from "../formats/temporaryFolder.js";
import { ownHead } from "../models/ownHead.js";
import { GOLDEN } from "../support/golden.js";
import { expectSameBits } from "../torch/sameBits.js";
import { expectClose, get, readTensors, tokenRows } from "./goldenFiles.js";
import { wideFolder } from "./support/wide.js";

const FOLDER = join(GOLDEN, "io/bitsandbytes/loftq");
const ran = readTensors(`${FOLDER}.safetensors`);
const rows = tokenRows(get(ran, "lengths").toArray(), Array.from(get(ran, "ids").toArray()));
const RANK = 4;
/** As of dense models in float32. */
const TOLERANCE = 2e-5;

const folders = temporaryFolders();

const logitsOf = (model: TaskModel) => torch.noGrad(() => model.forward(modelInput(rows), EVALUATION));

const load = (folder: string, baseDtype?: BaseDtype) =>
  loadModel(folder, {
    ...ownHead(readConfig(folder)),
    dtype: "float32",
    baseDtype,
    generator: new torch.Generator(0),
  });

interface Form {
  readonly folder?: string;
  readonly baseDtype?: BaseDtype;
  readonly method?: "lora" | "dora";
  readonly settings?: Partial<LowRankConfig>;
  readonly ranks?: torch.Ranks;
  /** Whether it starts by LoftQ, as by default. */
  readonly starts?: boolean;
}

async function started({ folder = FOLDER, baseDtype = "nf4", method = "lora", ranks = torch.ALONE, ...form }: Form) {
  const loaded = await load(folder, baseDtype);
  const config = { lora: loraConfig, dora: doraConfig }[method]({ rank: RANK, alpha: RANK, ...form.settings });
  const adapted: AdaptedModel = inject(loaded.model, config, { generator: new torch.Generator(1) });
  if (form.starts !== false)
    withOriginalWeights(folder, loaded, (originals) => startFromError(adapted, originals, ranks));
  return { model: loaded.model, adapted };
}

const moduleOf = ({ modules }: AdaptedModel, path: string) => modules.find((module) => module.path === path)!;

const productOf = (adapted: AdaptedModel, path: string) =>
  torch.noGrad(() => moduleOf(adapted, path).adapter.lowRank!.product());

const distance = (a: torch.Tensor, b: torch.Tensor): number => torch.mean(torch.abs(torch.sub(a, b))).item();

describe.each(["nf4-lora", "nf4-dora", "int8-lora"])("%s", (name) => {
  const [baseDtype, method] = name.split("-") as ["nf4" | "int8", "lora" | "dora"];
  const of = (part: string) =>
    [...ran].flatMap(([key, tensor]) => {
      const start = `${name}/${part}/`;
      return key.startsWith(start) ? [[key.slice(start.length), tensor] as const] : [];
    });

  test("has PEFT's base, products, magnitudes and logits", async () => {
    const { model, adapted } = await started({ baseDtype, method });
    for (const [path, expected] of of("base")) {
      const values = moduleOf(adapted, path).layer.weight.values.dense();
      // PEFT decodes int8 by another function than bitsandbytes' layers.
      if (baseDtype === "int8") expectClose(values, expected, 1e-7, path);
      else expectSameBits(values, expected, path);
    }
    // What packing takes away is small beside the weight, whose float32 values it is the difference of: smaller still for int8.
    const tolerance = baseDtype === "int8" ? 1e-4 : TOLERANCE;
    for (const [path, expected] of of("product")) expectClose(productOf(adapted, path), expected, tolerance, path);
    const magnitudes = of("magnitude");
    for (const [path, expected] of magnitudes)
      expectClose(moduleOf(adapted, path).adapter.ownParameters.get(MAGNITUDE)!.tensor, expected, TOLERANCE, path);
    expect([of("product").length, magnitudes.length]).toEqual(method === "lora" ? [3, 0] : [0, 7]);
    expectClose(logitsOf(model), get(ran, `${name}/logits`), 10 * TOLERANCE);
  });
});

describe.each([{ alpha: 16 }, { alpha: 3, rslora: true }])("with %o", (settings) => {
  test("s·B·A is the same, and A and B have the same norms", async () => {
    const { adapted } = await started({ settings });
    for (const path of ["q_proj", "up_proj", "down_proj"].map((layer) =>
      [...ran.keys()].find((key) => key.startsWith("nf4-lora/product/") && key.endsWith(layer))!.slice(17),
    )) {
      expectClose(productOf(adapted, path), get(ran, `nf4-lora/product/${path}`), TOLERANCE, path);
      const { a, b } = moduleOf(adapted, path).adapter.lowRank!;
      expectClose(torch.linalgVectorNorm(a, 2, [1]), torch.linalgVectorNorm(b, 2, [0]), TOLERANCE, path);
    }
  });
});

// The products of w8a8 need bfloat16; its bytes are those of int8.
describe.each(PACKED_DTYPES.filter((name) => name !== "w8a8"))("on %s", (baseDtype) => {
  test.each(["lora", "dora"] as const)("%s starts nearer to the dense model", async (method) => {
    const dense = get(ran, "logits");
    const at = async (form: Form) => {
      const { model } = await started({ baseDtype, method, settings: { rank: 16 }, ...form });
      return distance(logitsOf(model), dense);
    };
    expect(await at({})).toBeLessThan(0.8 * (await at({ starts: false })));
  });
});

test.each(["lora", "dora"] as const)("%s with more ranks than a matrix has is the dense model", async (method) => {
  const { model, adapted } = await started({ method, settings: { rank: 80 } });
  expectClose(logitsOf(model), get(ran, "logits"), 10 * TOLERANCE);
  const { a, b } = adapted.modules[0]!.adapter.lowRank!;
  const rest = [torch.narrow(a, 0, 64, 16), torch.narrow(b, 1, 64, 16)];
  expect(rest.map((part) => torch.sum(torch.abs(part)).item() > 0)).toEqual([true, false]);
});

test("in GPT-2, whose files hold matrices transposed, the updates make up for the rounding", async () => {
  const folder = wideFolder(join(folders(), "gpt2"), "gpt2", "single");
  const dense = logitsOf((await load(folder)).model);
  const at = async (starts: boolean) => {
    const settings = { rank: 64, modulesToSave: ["score"] };
    return distance(logitsOf((await started({ folder, settings, starts })).model), dense);
  };
  expect(await at(true)).toBeLessThan(1e-4 * (await at(false)));
});

test("in half precision, the updates make up for the rounding to it too", async () => {
  const loaded = await loadModel(FOLDER, {
    ...ownHead(readConfig(FOLDER)),
    dtype: "bfloat16",
    baseDtype: "int8",
    generator: new torch.Generator(0),
  });
  const config = loraConfig({ rank: 64, alpha: 64 });
  const adapted: AdaptedModel = inject(loaded.model, config, { generator: new torch.Generator(1) });
  withOriginalWeights(FOLDER, loaded, (originals) => {
    startFromError(adapted, originals, torch.ALONE);
    for (const { layer, adapter } of adapted.modules)
      expectClose(
        torch.noGrad(() => adapter.lowRank!.direction(layer, "float32")),
        originals.get(layer.weight)!("float32"),
        TOLERANCE,
      );
  });
});

test("layers that are not packed start as without LoftQ", async () => {
  const settings = { targetModules: ["embed_tokens", "q_proj"] };
  const [own, other] = [await started({ settings }), await started({ settings, starts: false })];
  const differing = own.adapted.trained.filter(
    ({ tensor }, i) => !torch.equal(tensor, other.adapted.trained[i]!.tensor),
  );
  expect(differing.map(({ name }) => name.split(".").slice(-3).join("."))).toEqual([
    "q_proj.lora_A.weight",
    "q_proj.lora_B.weight",
  ]);
});

test("where packing takes nothing away, the update starts as without LoftQ, since zeros would have no gradient", async () => {
  const { model } = await load(FOLDER, "nf4");
  const folder = folders();
  const tensors = [...model.baseParameters()].map(([path, { values }]) => [path, values.dense()] as const);
  saveSafetensors(join(folder, "model.safetensors"), tensors, { format: "pt" });
  writeFileSync(join(folder, "config.json"), JSON.stringify(readConfig(FOLDER)));
  const [own, other] = [await started({ folder }), await started({ folder, starts: false })];
  for (const [i, { tensor, name }] of own.adapted.trained.entries())
    expectSameBits(tensor, other.adapted.trained[i]!.tensor, name);
});

test.each([
  { what: "a dense base", form: { baseDtype: "float32" } },
  { what: "dense layers", form: { settings: { targetModules: ["embed_tokens"] } } },
  {
    what: "a base packed in its file",
    form: { folder: join(GOLDEN, "io/bitsandbytes/llama-nf4") },
  },
] as const)("$what has no error to start from", async ({ form }) => {
  await expect(started(form as Form)).rejects.toThrow(
    "--init-lora-weights loftq starts from what --base-dtype rounds off, but every layer to adapt is dense, or packed in the model's own file",
  );
});

test("a file in another format has one", async () => {
  const folder = join(GOLDEN, "io/bitsandbytes/llama-nf4");
  const dense = logitsOf((await load(folder)).model);
  const at = async (starts: boolean) =>
    distance(logitsOf((await started({ folder, baseDtype: "q4_0", starts, settings: { rank: 64 } })).model), dense);
  expect(await at(true)).toBeLessThan(1e-4 * (await at(false)));
});

test.each(["lora", "dora"] as const)("ranks share the work of %s, and add up to the same values", async (method) => {
  const parts: (readonly torch.Tensor[])[] = [];
  for (const rank of [0, 1]) {
    const sum = (tensors: readonly torch.Tensor[]) => {
      parts.push(tensors.map((tensor) => torch.keep(torch.clone(tensor))));
      return tensors;
    };
    await started({ method, ranks: { ...torch.ALONE, rank, size: 2, sum } });
  }
  const { adapted } = await started({ method });
  for (const [i, { tensor, name }] of adapted.trained.entries())
    expectSameBits(torch.add(parts[0]![i]!, parts[1]![i]!), tensor, name);
  const isZero = (part: readonly torch.Tensor[]) =>
    part.filter((tensor) => torch.sum(torch.abs(tensor)).item() === 0).length;
  const each = adapted.trained.length / 7;
  expect(parts.map((part) => [part.length, isZero(part)])).toEqual([
    [7 * each, 3 * each],
    [7 * each, 4 * each],
  ]);
});
