// How many jobs are computed at once.
import { afterAll, expect, test } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { AdapterRoutes } from "../../../src/models/adapters/index.js";
import { GREEDY } from "../../../src/models/generation/generationSettings.js";
import type { Model } from "../../../src/use/inference/model.js";
import { Engine } from "../../../src/use/server/engine/engine.js";
import { LLAMA, until } from "./openServer.js";

let model: Model;
afterAll(() => model.dispose());

test("as many as the memory for cached tokens has room for, and one that needs more alone", async () => {
  model = await load({ model: LLAMA, dtype: "float32" });
  const engine = new Engine(model.module, new AdapterRoutes(model.module, new Map()), { mostTokens: 60 });
  const finished: number[] = [];
  const most = { running: 0 };
  const job = (length: number, number: number) => ({
    ...{ adapter: undefined, settings: GREEDY, isStopped: undefined, logprobs: undefined },
    prompt: { ids: Array.from({ length }, (_, i) => 5 + i), maxNewTokens: 10, uniform: () => 0 },
    signal: new AbortController().signal,
    onStep({ finish }: { readonly finish: unknown }) {
      most.running = Math.max(most.running, engine.load.running);
      if (finish !== undefined) finished.push(number);
    },
    onError(error: unknown) {
      throw error;
    },
  });
  engine.submit([10, 10, 10, 10, 10].map(job));
  await until(() => finished.length === 5);
  expect(most.running).toBe(3);
  most.running = 0;
  engine.submit([10, 80].map(job));
  await until(() => finished.length === 7);
  expect(most.running).toBe(1);
});

test("the choices of a prompt compute it once", async () => {
  const ids = Array.from({ length: 40 }, (_, i) => 5 + i);
  const routes = new AdapterRoutes(model.module, new Map());
  const pass = routes.pass.bind(routes);
  let computed = 0;
  routes.pass = (counts, compute) => {
    computed += counts.reduce((sum, { tokens }) => sum + tokens, 0);
    return pass(counts, compute);
  };
  const engine = new Engine(model.module, routes);
  const texts = new Map<number, number[]>();
  let left = 0;
  const jobs = (own: readonly number[], from: number) =>
    Array.from({ length: 6 }, (_, k) => ({
      ...{ adapter: undefined, settings: GREEDY, isStopped: undefined, logprobs: undefined },
      prompt: { ids: own, maxNewTokens: 5, uniform: () => 0 },
      signal: new AbortController().signal,
      onStep({ tokens, finish }: { readonly tokens: readonly number[]; readonly finish: unknown }) {
        texts.set(from + k, [...(texts.get(from + k) ?? []), ...tokens]);
        if (finish !== undefined) left++;
      },
      onError(error: unknown) {
        throw error;
      },
    }));
  engine.submit(jobs(ids, 0));
  engine.submit(jobs(ids.slice(0, 30), 6));
  await until(() => left === 12);
  const further = [...texts.values()].reduce((sum, tokens) => sum + tokens.length - 1, 0);
  expect(computed).toBe(40 + 30 + further);
  for (let k = 1; k < 6; k++) expect(texts.get(k)).toEqual(texts.get(0));
});
