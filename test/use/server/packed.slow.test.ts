// A server of a model with packed weights in bfloat16, where tokens after cached ones have other last bits than prompts: requests that
// come at once get what each gets alone.
import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { wideFolder } from "../../parity/support/wide.js";
import { freshPath } from "../../support/workFolder.js";
import { LLAMA, openServer } from "./openServer.js";

const REQUESTS = 12;
/** Of 33 tokens each, so that they are computed in parts if one request has all. */
const LONG = Array.from({ length: REQUESTS }, (_, i) =>
  Array.from({ length: 33 }, (_, k) => 4 + ((7 * i + k * k) % 90)),
);
const SHORT = Array.from({ length: REQUESTS }, (_, i) =>
  Array.from({ length: 3 + i }, (_, k) => 4 + ((5 * i + 3 * k) % 90)),
);

function packable(): string {
  const folder = wideFolder(join(freshPath("models"), "wide"), "generation", "llama");
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) cpSync(join(LLAMA, name), join(folder, name));
  return folder;
}

/** Where a library computes products, the last bits depend on the number of rows in any case. */
test.skipIf(!torch.engineFacts().ownProducts.includes("bfloat16"))(
  "12 requests at once get the tokens and log-probabilities of each alone, with a draft and without",
  async () => {
    const settings = { model: packable(), dtype: "bfloat16", baseDtype: "q8_0" } as const;
    for (const draft of [undefined, "ngram"]) {
      const { client } = await openServer({ ...settings, ...(draft && { draft }) });
      const answer = async (prompt: readonly number[] | readonly (readonly number[])[], further: object) => {
        const body = {
          model: "wide",
          prompt: [...prompt] as number[] | number[][],
          max_tokens: 24,
          temperature: 0,
          logprobs: 1,
          ...further,
        };
        const { choices } = await client.completions.create(body);
        return choices.map(({ text, logprobs }) => ({ text, logprobs }));
      };
      for (const [prompts, further] of [
        [LONG, {}],
        [SHORT, {}],
        [LONG, { echo: true }],
      ] as const) {
        // biome-ignore format: one line
        const alone = [];
        for (const prompt of prompts) alone.push(await answer(prompt, further));
        expect(await answer(prompts, further)).toEqual(alone.flat());
        expect(await Promise.all(prompts.map((prompt) => answer(prompt, further)))).toEqual(alone);
        const inTurns = prompts.map(async (prompt, i) => {
          await new Promise((resolve) => setTimeout(resolve, 15 * i));
          return answer(prompt, further);
        });
        expect(await Promise.all(inTurns)).toEqual(alone);
      }
    }
  },
);
