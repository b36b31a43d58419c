import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { TrainOn } from "../../src/tasks/batch.js";
import type { LanguageExample, LanguageInput } from "../../src/tasks/data/index.js";
import {
  type EncodedLanguageExample,
  encodeLanguageExamples,
  type LanguageEncoding,
} from "../../src/tasks/encodeLanguage.js";
import { encodePrompts } from "../../src/tasks/index.js";
import { loadTokenizer, type Message, TextStream } from "../../src/text/index.js";

interface Row {
  readonly ids: readonly number[];
  readonly mask: string;
}

interface Golden {
  readonly eos: number;
  readonly chats: readonly ({ readonly messages: readonly Message[]; readonly prompt: readonly number[] } & Record<
    TrainOn,
    Row | null
  >)[];
  readonly prompts: readonly ({ prompt: string; completion: string; given: readonly number[] } & Row)[];
  readonly texts: readonly ({ text: string } & Row)[];
  readonly decoded: readonly (readonly [string, string])[];
}

const folder = fileURLToPath(new URL("../golden/chat", import.meta.url));
const golden: Record<string, Golden> = JSON.parse(readFileSync(`${folder}/rows.json`, "utf8"));

const example = (input: LanguageInput): LanguageExample => ({ input, label: undefined, at: { file: "f", line: 1 } });

const written = ({ inputIds, target = [] }: EncodedLanguageExample): Row => ({
  ids: inputIds,
  mask: inputIds.map((id, i) => (i > 0 && target[i - 1] === id ? "1" : "0")).join(""),
});

describe.each(Object.entries(golden))("rows with %s", (name, { eos, chats, prompts, texts, decoded }) => {
  const loaded = loadTokenizer(`${folder}/tokenizers/${name}`);

  async function encoded(input: LanguageInput, options: LanguageEncoding = {}): Promise<Row[]> {
    const [rows] = await encodeLanguageExamples([example(input)], await loaded, options);
    return (rows as EncodedLanguageExample[]).map(written);
  }

  it.each(["assistant", "completion", "all"] as const)(
    "messages with --train-on %s have the loss where transformers has it",
    async (trainOn) => {
      for (const chat of chats) {
        const row = encoded({ kind: "messages", messages: chat.messages }, { trainOn });
        if (chat[trainOn]) expect(await row).toEqual([chat[trainOn]]);
        else await expect(row).rejects.toThrow(/^f line 1: can't locate the answer messages\[\d\]: the chat template/);
      }
    },
  );

  it("messages without --train-on, and as prompts", async () => {
    const examples = chats.map(({ messages }) => example({ kind: "messages", messages }));
    expect(await encodePrompts(examples, await loaded)).toEqual(chats.map(({ prompt }) => prompt));
    const fitting = chats
      .filter(({ assistant }) => assistant)
      .map(({ messages }) => example({ kind: "messages", messages }));
    const rows = await encodeLanguageExamples(fitting, await loaded);
    expect(rows.flat().map(written)).toEqual(chats.flatMap(({ assistant }) => assistant ?? []));
  });

  it("prompts and completions are tokenized separately", async () => {
    for (const { prompt, completion, given, ids, mask } of prompts) {
      const input = { kind: "prompt", prompt, completion } as const;
      expect(await encoded(input)).toEqual([{ ids, mask }]);
      expect(await encoded(input, { trainOn: "all" })).toEqual([
        { ids, mask: mask.replace(/./g, "1").replace(/^./, "0") },
      ]);
      expect(await encodePrompts([example({ ...input, completion: undefined })], await loaded)).toEqual([given]);
      expect(await encoded(input, { maxLength: 3 })).toEqual([{ ids: ids.slice(0, 3), mask: mask.slice(0, 3) }]);
    }
  });

  it("long texts are continued in further rows", async () => {
    for (const { text, ids, mask } of texts) {
      expect(await encoded({ kind: "text", text })).toEqual([{ ids, mask }]);
      const pieces = await encoded({ kind: "text", text }, { maxLength: 4 });
      expect(pieces.flatMap((piece) => piece.ids)).toEqual(ids);
      expect(pieces.every((piece) => piece.ids.length <= 4 && /^01*$/.test(piece.mask))).toBe(true);
    }
    expect((await loaded).eosTokenId).toBe(eos);
  });

  it("token ids are decoded at once and as a stream", async () => {
    const tokenizer = await loaded;
    for (const [i, [plain, whole]] of decoded.entries()) {
      const ids = chats[i]?.all?.ids ?? [];
      expect(await tokenizer.decode(ids)).toBe(plain);
      expect(await tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(whole);
      for (const [skipSpecialTokens, expected] of [
        [true, plain],
        [false, whole],
      ] as const) {
        const stream = new TextStream(tokenizer, { skipSpecialTokens });
        const parts: string[] = [];
        for (const id of ids) parts.push(await stream.put(id));
        parts.push(await stream.end());
        expect(parts.join("")).toBe(expected);
        expect(parts.filter((part) => part.includes("\uFFFD"))).toEqual([]);
      }
    }
  });
});
