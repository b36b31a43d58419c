// Drafts change no token: of any model, with any settings, whatever is proposed.

import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { uniforms } from "../../../src/base/seededGenerator.js";
import { Drafting } from "../../../src/models/generation/drafts/draft.js";
import { generateTokens } from "../../../src/models/generation/generateTokens.js";
import { GREEDY } from "../../../src/models/generation/generationSettings.js";
import {
  type Draft,
  type GenerationSettings,
  modelDraft,
  ngramDraft,
  SequenceBatch,
} from "../../../src/models/generation/index.js";
import { loadModel, type TaskModel } from "../../../src/models/index.js";
import * as torch from "../../../src/torch/index.js";
import { GOLDEN } from "../../e2e/support.js";

const models = new Map<string, TaskModel>();
afterAll(() => {
  for (const model of models.values()) model.dispose();
});

async function modelIn(folder: string): Promise<TaskModel> {
  const options = { head: { className: "ForCausalLM" }, outputs: 0, dtype: "float32" } as const;
  const path = join(GOLDEN, folder);
  const model = models.get(folder) ?? (await loadModel(path, { ...options, generator: new torch.Generator(0) })).model;
  models.set(folder, model);
  return model;
}

/** Prompts of several lengths; the last repeats itself. */
const PROMPTS = [
  [5],
  [9, 17, 4, 30, 22],
  Array.from({ length: 20 }, (_, i) => ((7 * i + 5) % 60) + 4),
  Array.from({ length: 12 }, (_, i) => [40, 8, 61][i % 3] as number),
];

interface Run {
  readonly settings?: Partial<GenerationSettings>;
  readonly prompts?: readonly (readonly number[])[];
  readonly maxNewTokens?: number;
  readonly draft?: Draft;
  readonly isStopped?: (prompt: number, tokens: readonly number[]) => Promise<boolean>;
  readonly cache?: boolean;
}

/** What each prompt gets, and how many passes it took. */
async function generated(model: TaskModel, run: Run) {
  const { settings, prompts = PROMPTS, maxNewTokens = 24, ...options } = run;
  const rows = prompts.map(() => ({ tokens: [] as number[], finish: undefined as string | undefined }));
  const given = prompts.map((ids, i) => ({ ids, maxNewTokens, uniform: uniforms(3, i) }));
  const passes = vi.spyOn(SequenceBatch.prototype, "logitsAfter");
  const before = torch.liveHandles();
  for await (const { prompt, tokens, finish } of generateTokens(model, given, { ...GREEDY, ...settings }, options)) {
    const row = rows[prompt] as (typeof rows)[number];
    row.tokens.push(...tokens);
    row.finish = finish;
  }
  expect(torch.liveHandles()).toBeLessThanOrEqual(before);
  const count = passes.mock.calls.length;
  passes.mockRestore();
  return { rows, passes: count };
}

/** Proposes what is right up to a random place, and something else after it. */
function almostRight(texts: readonly (readonly number[])[], seed: number, share = 0.7): Draft {
  const random = uniforms(seed, 0);
  return {
    tokens: 6,
    bytesPerToken: 0,
    start: () => ({
      propose: (sequences) =>
        sequences.map(({ ids, most }) => {
          const text = texts.find((one) => ids.every((id, i) => one[i] === id)) ?? [];
          const count = Math.min(most, 1 + Math.floor(random() * 6));
          return Array.from({ length: count }, (_, i) => (random() < share ? (text[ids.length + i] ?? 7) : 5 + i));
        }),
      add: () => {},
      select: () => {},
      dispose: () => {},
    }),
  };
}

const SAMPLING = { temperature: 1.2, topK: 40, topP: 0.95, minP: undefined };
const SETTINGS: readonly (readonly [string, Partial<GenerationSettings>])[] = [
  ["greedy", {}],
  ["with end tokens", { endTokens: [3, 33, 6, 12, 70] }],
  ["sampled", { sampling: SAMPLING }],
  [
    "sampled with penalties",
    { sampling: SAMPLING, repetitionPenalty: 1.3, noRepeatNgram: 2, minNewTokens: 3, endTokens: [3] },
  ],
  ["with a repetition penalty", { repetitionPenalty: 1.5 }],
  [
    "with a forced end and suppressed tokens",
    { forcedEosTokens: [3], endTokens: [3], suppressTokens: [8], beginSuppressTokens: [40] },
  ],
];

/** Rotary and learned positions, sliding windows, and RoPE that changes at 48 tokens. */
describe.each(["llama/lm", "gpt2/lm", "mistral/lm", "gemma3_text/lm", "qwen3/lm", "phi3/lm", "smollm3/lm"])(
  "%s",
  (folder) => {
    test.each(SETTINGS)("%s", async (_, settings) => {
      const model = await modelIn(folder);
      const plain = await generated(model, { settings });
      const texts = plain.rows.map(({ tokens }, i) => [...(PROMPTS[i] as number[]), ...tokens]);
      const other = await modelIn(folder === "llama/lm" ? "qwen3/lm" : "llama/lm");
      const drafts = [
        ngramDraft(),
        modelDraft(model, 117),
        modelDraft(other, 117, 3),
        ...[1, 2, 3].map((seed) => almostRight(texts, seed)),
      ];
      for (const draft of drafts) expect((await generated(model, { settings, draft })).rows).toEqual(plain.rows);
      const right = await generated(model, { settings, draft: almostRight(texts, 0, 1) });
      expect(right.rows).toEqual(plain.rows);
      if (plain.passes > 8) expect(right.passes).toBeLessThan(plain.passes / 2);
    });
  },
);

test("at most so many tokens as are asked for, however long the draft", async () => {
  const model = await modelIn("llama/lm");
  for (const maxNewTokens of [1, 2, 3, 7, 28]) {
    const plain = await generated(model, { maxNewTokens });
    const texts = plain.rows.map(({ tokens }, i) => [...(PROMPTS[i] as number[]), ...tokens, 1, 2, 3, 4, 5]);
    const longest: number[] = [];
    const right = almostRight(texts, 4, 1);
    const watched: Draft = {
      ...right,
      start: (count) => ({
        ...right.start(count),
        propose: (sequences) => {
          longest.push(...sequences.map(({ ids, most }) => ids.length + most));
          return right.start(count).propose(sequences);
        },
      }),
    };
    for (const draft of [ngramDraft(), modelDraft(model, 117), watched])
      expect((await generated(model, { maxNewTokens, draft })).rows).toEqual(plain.rows);
    expect(Math.max(...longest)).toBeLessThan(20 + maxNewTokens);
  }
});

test("up to the last position of the model, and past the length at which its RoPE changes", async () => {
  for (const [folder, positions] of [
    ["gpt2/lm", 48],
    ["llama/lm", 48],
    ["phi3/lm", 96],
  ] as const) {
    const model = await modelIn(folder);
    const prompts = PROMPTS.slice(2);
    for (const prompt of prompts) {
      const run = { prompts: [prompt], maxNewTokens: positions - prompt.length };
      const plain = await generated(model, run);
      expect(plain.rows[0]?.tokens).toHaveLength(positions - prompt.length);
      const texts = [[...prompt, ...(plain.rows[0]?.tokens ?? []), 9, 9, 9, 9, 9]];
      for (const draft of [ngramDraft(), modelDraft(model, 117), almostRight(texts, 1), almostRight(texts, 2, 1)])
        expect((await generated(model, { ...run, draft })).rows).toEqual(plain.rows);
    }
  }
});

test("a stop string that is complete within a draft ends the text there", async () => {
  const model = await modelIn("llama/lm");
  const plain = await generated(model, {});
  const texts = plain.rows.map(({ tokens }, i) => [...(PROMPTS[i] as number[]), ...tokens]);
  const isStopped = async (prompt: number, tokens: readonly number[]) => tokens.length === 3 + prompt;
  const stopped = await generated(model, { isStopped, draft: almostRight(texts, 1, 1) });
  expect(stopped.rows).toEqual(plain.rows.map(({ tokens }, i) => ({ tokens: tokens.slice(0, 3 + i), finish: "stop" })));
});

test("a constraint follows the tokens that are chosen, not those that are proposed", async () => {
  const model = await modelIn("llama/lm");
  /** Allows the tokens that are 1 more than the last by a multiple of 3. */
  const constraintFor = () => {
    let last = 0;
    const accepted: number[] = [];
    return {
      accepted,
      allowed: async () => {
        const bits = new Int32Array(4);
        for (let id = 0; id < 117; id++)
          if (id % 3 === (last + 1) % 3) bits[id >> 5] = (bits[id >> 5] as number) | (1 << (id & 31));
        return bits;
      },
      accept: (token: number) => {
        accepted.push(token);
        last = token;
      },
    };
  };
  const run = async (draft?: Draft) => {
    const constraint = constraintFor();
    const tokens: number[] = [];
    const prompts = [{ ids: PROMPTS[3] as number[], maxNewTokens: 20, uniform: uniforms(1, 1), constraint }];
    const settings = { ...GREEDY, sampling: SAMPLING };
    for await (const next of generateTokens(model, prompts, settings, { draft })) tokens.push(...next.tokens);
    return { tokens, accepted: constraint.accepted };
  };
  const plain = await run();
  const texts = [[...(PROMPTS[3] as number[]), ...plain.tokens]];
  for (const draft of [ngramDraft(), modelDraft(model, 117), almostRight(texts, 3)])
    expect(await run(draft)).toEqual(plain);
});

test("a draft model may have another number of embeddings, and fewer positions", async () => {
  const [small, large] = [await modelIn("gpt2/lm"), await modelIn("generation/llama")];
  const prompts = [[5, 200, 9], [300], [9, 17, 4, 30, 22], Array.from({ length: 47 }, (_, i) => (5 * i) % 60)];
  const run = { prompts, maxNewTokens: 40, settings: { sampling: { ...SAMPLING, topK: 0 } } };
  const plain = await generated(large, run);
  expect((await generated(large, { ...run, draft: modelDraft(small, 301) })).rows).toEqual(plain.rows);
  const less = await generated(small, {});
  expect((await generated(small, { draft: modelDraft(large, 117) })).rows).toEqual(less.rows);
  expect(less.rows.flatMap(({ tokens }) => tokens).every((token) => token < 117)).toBe(true);
});

test("works without a cache", async () => {
  const model = await modelIn("gpt2/lm");
  const plain = await generated(model, { cache: false });
  expect((await generated(model, { cache: false, draft: ngramDraft() })).rows).toEqual(plain.rows);
});

test("beams take no draft", async () => {
  const beams = { count: 2, lengthPenalty: 1, earlyStopping: false };
  const run = generated(await modelIn("llama/lm"), { settings: { beams }, draft: ngramDraft() });
  await expect(run).rejects.toThrow(
    "A draft proposes tokens for one sequence, and beam search has several: leave one out.",
  );
});

describe("an n-gram's draft", () => {
  const proposed = (ids: readonly number[], most: number) => ngramDraft().start(1).propose([{ ids, most }])[0];

  test("is what followed the latest of the longest matches", () => {
    expect(proposed([1, 2, 3, 7, 8, 9, 2, 3, 5, 6, 1, 2, 3], 2)).toEqual([7, 8]);
    expect(proposed([1, 2, 5, 1, 2, 6, 0, 1, 2], 3)).toEqual([6, 0, 1]);
    expect(proposed([1, 2, 3, 4, 5, 3], 3)).toEqual([]);
    expect(proposed([1, 2, 3, 1, 2, 3], 0)).toEqual([]);
    expect(proposed([4], 3)).toEqual([]);
  });

  test("goes on repeating a text that repeats itself", () => {
    expect(proposed([9, 4, 4, 4], 4)).toEqual([4, 4, 4, 4]);
    expect(proposed([9, 1, 2, 1, 2, 1, 2], 5)).toEqual([1, 2, 1, 2, 1]);
  });
});

/** Proposes as many tokens as it may, and keeps how many that were. */
function greedyDraft(tokens: number): Draft & { readonly asked: number[] } {
  const asked: number[] = [];
  return {
    tokens,
    asked,
    bytesPerToken: 0,
    start: () => ({
      propose: (sequences) =>
        sequences.map(({ most }) => {
          asked.push(most);
          return new Array<number>(most).fill(1);
        }),
      add: () => {},
      select: () => {},
      dispose: () => {},
    }),
  };
}

test("more tokens are proposed after a draft that was taken, fewer after another one", async () => {
  const draft = greedyDraft(8);
  const drafting = new Drafting(await modelIn("phi3/lm"), draft, 1);
  const ids = [4];
  for (const isTaken of [true, true, true, false, false]) {
    const [proposal] = drafting.propose([{ ids, most: 90 }]) as [number[]];
    ids.push(...(isTaken ? proposal : [2]), 3);
  }
  expect(draft.asked).toEqual([5, 7, 8, 8, 7]);
});

test.each([
  ["gpt2/lm", "up to the model's last position", [44, 46, 48, 50], [4, 2, 0, 0]],
  ["phi3/lm", "up to the length at which RoPE changes", [44, 46, 48, 49, 94], [4, 2, 0, 5, 2]],
] as const)("%s: tokens are proposed %s", async (folder, _, lengths, most) => {
  const asked = await Promise.all(
    lengths.map(async (length) => {
      const draft = greedyDraft(8);
      new Drafting(await modelIn(folder), draft, 1).propose([{ ids: new Array<number>(length).fill(4), most: 90 }]);
      return draft.asked[0];
    }),
  );
  expect(asked).toEqual(most);
});
