// Tokens cut at any place decode to transformers' text, at once and as a stream.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { StopStrings } from "../../src/models/generation/generateTexts.js";
import { loadTokenizer, TextStream, TokenBytes, type Tokenizer } from "../../src/text/index.js";

const folder = fileURLToPath(new URL("../golden", import.meta.url));
/** By tokenizer: tokens, and the texts of the first token, the first two tokens, and so on. */
const golden: Readonly<Record<string, readonly { ids: readonly number[]; texts: readonly string[] }[]>> = JSON.parse(
  readFileSync(`${folder}/text/decoded.json`, "utf8"),
);

async function streamed(tokenizer: Tokenizer, ids: readonly number[]): Promise<string> {
  const stream = new TextStream(tokenizer);
  let text = "";
  for (const id of ids) text += await stream.put(id);
  return text + (await stream.end());
}

describe.each(Object.entries(golden))("tokens of %s", (name, sequences) => {
  const loaded = loadTokenizer(`${folder}/${name}`);

  it("decode to transformers' text wherever they are cut", async () => {
    const tokenizer = await loaded;
    for (const { ids, texts } of sequences) {
      const decoded = await Promise.all(texts.map((_, i) => tokenizer.decode(ids.slice(0, i + 1))));
      expect(decoded).toEqual(texts);
    }
  });

  it("decode to the same text as a stream", async () => {
    const tokenizer = await loaded;
    for (const { ids, texts } of sequences) {
      const joined = await Promise.all(texts.map((_, i) => streamed(tokenizer, ids.slice(0, i + 1))));
      expect(joined).toEqual(texts);
      const stream = new TextStream(tokenizer);
      expect((await stream.put(...ids)) + (await stream.end())).toBe(texts.at(-1));
    }
  });
});

describe("a text that goes on", () => {
  it("is decoded behind the last token with whole characters", async () => {
    const tokenizer = await loadTokenizer(`${folder}/chat/tokenizers/sentence-piece`);
    const idsOf = async (text: string) => (await tokenizer.encode([text])).inputIds;
    const [, word = 0] = await idsOf("the");
    const special = tokenizer.eosTokenId as number;
    const [half, ...rest] = (await idsOf("東")).slice(-3) as [number, number, number];
    const bytes = new TokenBytes(tokenizer);
    expect(bytes.contextIn([special, word, special, half])).toEqual([word]);
    expect(bytes.contextIn([special, half])).toEqual([]);
    const stream = new TextStream(tokenizer, {}, [word]);
    expect([await stream.put(word), await stream.put(half), await stream.put(...rest, word)]).toEqual([
      " the",
      "",
      "東 the",
    ]);
  });

  it("needs no context where no text loses a space at its start", async () => {
    const tokenizer = await loadTokenizer(`${folder}/chat/tokenizers/byte-level`);
    expect(new TokenBytes(tokenizer).contextIn((await tokenizer.encode(["the"])).inputIds)).toEqual([]);
  });
});

describe("stop strings", () => {
  it("are not found in a long run of byte tokens that is not valid UTF-8", async () => {
    const tokenizer = await loadTokenizer(`${folder}/chat/tokenizers/sentence-piece`);
    const bytes = (await tokenizer.encode(["漢字".repeat(100)])).inputIds.slice(2);
    const stops = new StopStrings(tokenizer, ["字漢"]);
    expect(await stops.isCompleted(bytes)).toBe(true);
    expect(await stops.isCompleted(bytes.slice(1))).toBe(false);
    const marked = [...bytes.slice(1, 300), tokenizer.eosTokenId as number, ...bytes.slice(300, 450)];
    expect(await stops.isCompleted(marked)).toBe(false);
  });
});
