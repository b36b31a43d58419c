import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadTokenizer, type Texts } from "../../src/text/index.js";

interface Golden {
  readonly padTokenId: number | null;
  readonly texts: readonly { texts: Texts; maxLength: number | null; ids: number[]; typeIds: number[] }[];
  readonly words: readonly { words: string[]; maxLength: number | null; ids: number[]; wordStarts: number[] }[];
}

const folder = fileURLToPath(new URL("../golden/text", import.meta.url));
const golden: Record<string, Golden> = JSON.parse(readFileSync(`${folder}/golden.json`, "utf8"));

describe.each(Object.entries(golden))("%s agrees with transformers", (name, { padTokenId, texts, words }) => {
  const tokenizer = loadTokenizer(`${folder}/${name}`);

  it("on texts and pairs, whole and truncated", async () => {
    for (const { texts: row, maxLength, ids, typeIds } of texts) {
      const encoded = await (await tokenizer).encode(row, { maxLength: maxLength ?? undefined });
      expect({ row, maxLength, ...encoded }).toEqual({ row, maxLength, inputIds: ids, tokenTypeIds: typeIds });
    }
  });

  it("on words", async () => {
    for (const { words: row, maxLength, ids, wordStarts } of words) {
      const { tokenTypeIds: _, ...encoded } = await (await tokenizer).encodeWords(row, {
        maxLength: maxLength ?? undefined,
      });
      expect({ row, maxLength, ...encoded }).toEqual({ row, maxLength, inputIds: ids, wordStarts });
    }
  });

  it("on the padding token", async () => {
    expect((await tokenizer).padTokenId ?? null).toBe(padTokenId);
  });
});
