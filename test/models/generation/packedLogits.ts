// Generation from packed weights in bfloat16, where tokens after cached ones have other last bits than prompts: each token's logits are the same
// bits whatever is proposed, and in a batch as alone.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { uniforms } from "../../../src/base/seededGenerator.js";
import { readConfig } from "../../../src/formats/checkpoint.js";
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
import type { BaseDtype } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { wideFolder } from "../../parity/support/wide.js";
import { ownHead } from "../ownHead.js";

/** Prompts of several lengths, some of which repeat themselves, and so does the text after them. */
const PROMPTS = [
  [5],
  Array.from({ length: 12 }, (_, i) => [40, 8, 61][i % 3] as number),
  [9, 17, 4, 30, 22],
  Array.from({ length: 20 }, (_, i) => ((7 * i + 5) % 60) + 4),
  [11, 11, 11, 11],
  [80, 3, 80, 3, 80],
  [100],
  Array.from({ length: 16 }, (_, i) => [70, 71][i % 2] as number),
  [33, 34],
  [50, 51, 50, 51],
  [7, 7, 9],
];
const SAMPLING = { temperature: 0.7, topK: 8, topP: 0.95, minP: undefined };
const SETTINGS: readonly (readonly [string, Partial<GenerationSettings>])[] = [
  ["greedy", {}],
  ["sampled", { sampling: SAMPLING }],
];

/** The tokens after each prompt, and the logits after each text that was computed. */
interface Generated {
  readonly tokens: number[][];
  readonly logits: Map<string, Float32Array>;
}

/** Up to the last position, or past the length at which RoPE changes. */
const newTokens = ({ config: { maxTokens } }: TaskModel) => Math.min(maxTokens - 20, 40);

async function generated(
  model: TaskModel,
  prompts: readonly number[],
  settings: Partial<GenerationSettings>,
  draft?: Draft,
): Promise<Generated> {
  const most = newTokens(model);
  const logits = new Map<string, Float32Array>();
  const compute = SequenceBatch.prototype.logitsAfter;
  const passes = vi.spyOn(SequenceBatch.prototype, "logitsAfter").mockImplementation(function (
    this: SequenceBatch,
    of,
  ) {
    const computed = compute.call(this, of);
    if ((this as unknown as { model: TaskModel }).model !== model) return computed;
    for (const [i, { ids, wanted }] of of.entries())
      for (const [k, row] of (computed[i] as Float32Array[]).entries())
        logits.set(ids.slice(0, ids.length - wanted + 1 + k).join(), row.slice());
    return computed;
  });
  const tokens = prompts.map((): number[] => []);
  const given = prompts.map((i) => ({
    ids: PROMPTS[i] as number[],
    maxNewTokens: most - i,
    uniform: uniforms(3, i),
  }));
  for await (const next of generateTokens(model, given, { ...GREEDY, ...settings }, { draft }))
    tokens[next.prompt]?.push(...next.tokens);
  passes.mockRestore();
  return { tokens, logits };
}

/** Proposes the texts themselves, and something else after some of the tokens. */
const rightDraft = (texts: readonly (readonly number[])[], tokens: number): Draft => ({
  tokens,
  bytesPerToken: 0,
  start: () => ({
    propose: (sequences) =>
      sequences.map(({ ids, most }) => {
        const text = texts.find((one) => ids.every((id, i) => one[i] === id)) ?? [];
        const right = text.slice(ids.length, ids.length + most);
        return ids.length % 3 === 0 ? [...right.slice(0, most - 1), 5].slice(0, most) : right;
      }),
    add: () => {},
    select: () => {},
    dispose: () => {},
  }),
});

/** Expects the same texts, and the same bits of the logits that both have computed. @returns how many these are */
function expectSame(actual: Generated, expected: Generated): number {
  let same = 0;
  for (const [text, row] of actual.logits) {
    const wanted = expected.logits.get(text);
    if (!wanted) continue;
    same++;
    expect(Buffer.compare(Buffer.from(row.buffer), Buffer.from(wanted.buffer)), `after ${text}`).toBe(0);
  }
  expect(actual.tokens).toEqual(expected.tokens);
  return same;
}

const folder = temporaryFolders();
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Where a library computes products, the last bits depend on the number of rows in any case. */
const hasOwnProducts = torch.engineFacts().ownProducts.includes("bfloat16");

/** Tests each family with its matrices in a format. */
export function testPacked(forms: readonly (readonly [family: string, baseDtype: BaseDtype])[]): void {
  describe.skipIf(!hasOwnProducts).each(forms)("%s in %s", (family, baseDtype) => {
    let [model, smaller]: (TaskModel | undefined)[] = [];
    const load = async (path: string, options: { dtype: torch.DType; baseDtype?: BaseDtype }) =>
      (await loadModel(path, { ...ownHead(readConfig(path)), generator: new torch.Generator(0), ...options })).model;
    beforeAll(async () => {
      const path = wideFolder(join(folder(), "wide"), family, "lm");
      model = await load(path, { dtype: "bfloat16", baseDtype });
      smaller = await load(path, { dtype: "bfloat16", baseDtype });
    });
    afterAll(() => {
      model?.dispose();
      smaller?.dispose();
    });

    test.each(SETTINGS)("%s: a draft changes no logits, for 1, 2, 3, 8 and 11 prompts", async (_, settings) => {
      const [own, other] = [model as TaskModel, smaller as TaskModel];
      for (const prompts of [[1], [0], [3, 7], [0, 1, 5], upTo(8), upTo(11)]) {
        const plain = await generated(own, prompts, settings);
        const texts = prompts.map((prompt, i) => [...(PROMPTS[prompt] as number[]), ...(plain.tokens[i] as number[])]);
        for (const draft of [ngramDraft(), modelDraft(other, 117), rightDraft(texts, 10), rightDraft(texts, 2)])
          expect(expectSame(await generated(own, prompts, settings, draft), plain)).toBe(plain.logits.size);
      }
    });

    /** Expects that each of the first prompts has the same logits in a batch with the others as alone. */
    async function expectAsAlone(count: number, settings: Partial<GenerationSettings>): Promise<void> {
      const together = await generated(model as TaskModel, upTo(count), settings);
      for (const i of upTo(count)) {
        const alone = await generated(model as TaskModel, [i], settings);
        const own = { ...together, tokens: [together.tokens[i] as number[]] };
        expect(expectSame(alone, own)).toBe(alone.logits.size);
      }
    }

    test.each(SETTINGS)("%s: 8 and 11 prompts in a batch have the logits of each alone", async (_, settings) => {
      await expectAsAlone(8, settings);
      await expectAsAlone(11, settings);
    });

    test.each([
      [4, 2],
      [4, 11],
      [8, 11],
      [12, 2],
    ] as const)(
      // biome-ignore format: one line
      "%i beams: %i prompts in a batch have the logits of each alone",
      async (count, prompts) => {
        await expectAsAlone(prompts, { beams: { count, lengthPenalty: 1, earlyStopping: false } });
      },
    );
  });
}
