// Rows of one pass that use different adapters give what each adapter gives alone.
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  type AdapterMethod,
  attachAdapter,
  inject,
  readAdapter,
  type SavedAdapter,
  savedState,
  type TargetedConfig,
} from "../../../src/models/adapters/index.js";
import { AdapterRoutes } from "../../../src/models/adapters/routes.js";
import { loadModel, modelInput, type TaskModel } from "../../../src/models/index.js";
import { EVALUATION } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { GOLDEN } from "../../parity/goldenFiles.js";
import { perturb } from "./smallModel.js";

const ADAPTERS = ["lm-lora", "lm-dora", "lm-lora-tables", "lm-dora-tables", "lm-ia3", "lm-lora-all-linear"];
const ROWS = [[5, 9, 30], [7], [5, 9, 31, 12, 8], [40, 41], [6, 6, 6], [50, 3, 9, 11], [9, 9]];

const opened: TaskModel[] = [];
afterAll(() => {
  for (const model of opened) model.dispose();
});

async function load(dtype: torch.DType): Promise<TaskModel> {
  const options = { head: { className: "ForCausalLM" }, outputs: 0, dtype, generator: new torch.Generator(0) } as const;
  const { model } = await loadModel(join(GOLDEN, "llama/lm"), options);
  opened.push(model);
  return model;
}

/** The logits after each row. */
function logits(model: TaskModel, rows: readonly (readonly number[])[]): number[][] {
  return torch.noGrad(() =>
    torch.scope(() => {
      const input = modelInput(rows.map((inputIds) => ({ inputIds, tokenTypeIds: inputIds.map(() => 0) })));
      let end = -1;
      const last = rows.map(({ length }) => (end += length));
      const values = model.forwardAt(input, EVALUATION, torch.tensor(last, [last.length], "int64"));
      const all = [...torch.castTo(values, "float32").toArray()];
      return rows.map((_, i) => all.slice((i * all.length) / rows.length, ((i + 1) * all.length) / rows.length));
    }),
  );
}

/** The adapter of each row: all, and a few of them twice or not next to each other. */
const namesOf = (adapters: ReadonlyMap<string, SavedAdapter>): (string | undefined)[] => {
  const [first, ...rest] = [...adapters.keys()];
  return [undefined, first, ...rest, first].slice(0, ROWS.length);
};

const routesOf = (names: readonly (string | undefined)[]) =>
  names.map((adapter, i) => ({ adapter, tokens: (ROWS[i] as number[]).length, selected: 1 }));

/** The largest difference from the adapters alone. */
async function worstOf(dtype: torch.DType, adapters: ReadonlyMap<string, SavedAdapter>): Promise<number> {
  const routed = await load(dtype);
  const routes = new AdapterRoutes(routed, adapters, "float32");
  const names = namesOf(adapters);
  const rows = ROWS.slice(0, names.length);
  const together = routes.pass(routesOf(names), () => logits(routed, rows));
  let worst = 0;
  for (const [i, name] of names.entries()) {
    const alone = await load(dtype);
    const adapter = name === undefined ? undefined : adapters.get(name);
    if (adapter) attachAdapter(alone, adapter, { generator: new torch.Generator(0), dtype: "float32" });
    const [expected] = logits(alone, [rows[i] as number[]]) as [number[]];
    for (const [k, value] of expected.entries())
      worst = Math.max(worst, Math.abs(value - (together[i]?.[k] as number)));
    const own = { adapter: name, tokens: (rows[i] as number[]).length, selected: 1 };
    expect(routes.pass([own], () => logits(routed, [rows[i] as number[]]))).toEqual([expected]);
  }
  routes.dispose();
  return worst;
}

const golden = async (): Promise<Map<string, SavedAdapter>> => {
  const read = ADAPTERS.map(async (name) => [name, await readAdapter(join(GOLDEN, "llama/adapters", name))] as const);
  return new Map(await Promise.all(read));
};

test("adapters of linear layers and tables share a pass", async () => {
  expect(await worstOf("float32", await golden())).toBeLessThan(1e-5);
});

test("in bfloat16 to the bit", async () => {
  expect(await worstOf("bfloat16", await golden())).toBe(0);
});

test("adapters of every method that only adds to layers share a pass", async () => {
  const adapters = new Map<string, SavedAdapter>();
  const options = { taskType: "CAUSAL_LM", baseModel: "b", revision: undefined, metadata: undefined };
  for (const [name, method] of Object.entries<AdapterMethod>(ADAPTER_METHODS as never)) {
    const config = method.config({ targetModules: ["q_proj", "down_proj"] } as Partial<TargetedConfig>);
    if (!method.inLayers || config.trainsNorms) continue;
    const adapted = inject(await load("float32"), config, { generator: new torch.Generator(3), dtype: "float32" });
    perturb(adapted.trained.map(({ tensor }) => tensor));
    adapters.set(name, { ...options, ...savedState(adapted) } as unknown as SavedAdapter);
  }
  expect(adapters.size).toBeGreaterThan(4);
  expect(await worstOf("float32", adapters)).toBeLessThan(1e-4);
});

test("an adapter that replaces parameters has passes of its own, and leaves the model as it was", async () => {
  const model = await load("float32");
  const [before] = logits(model, [ROWS[0] as number[]]) as [number[]];
  const config = ADAPTER_METHODS.lora.config({ targetModules: ["q_proj"], modulesToSave: ["lm_head"] });
  const adapted = inject(await load("float32"), config, { generator: new torch.Generator(3), dtype: "float32" });
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const saved = { taskType: "CAUSAL_LM", ...savedState(adapted) } as unknown as SavedAdapter;
  const routes = new AdapterRoutes(model, new Map([["own", saved]]), "float32");
  expect(routes.canShare("own")).toBe(false);
  expect(routes.canShare(undefined)).toBe(true);
  const route = { adapter: "own", tokens: (ROWS[0] as number[]).length, selected: 1 };
  const [changed] = routes.pass([route], () => logits(model, [ROWS[0] as number[]])) as [number[]];
  expect(changed).toEqual(logits(adapted.model as TaskModel, [ROWS[0] as number[]])[0]);
  expect(changed).not.toEqual(before);
  expect(logits(model, [ROWS[0] as number[]])).toEqual([before]);
  routes.dispose();
});
