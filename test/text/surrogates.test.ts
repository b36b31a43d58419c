// A lone surrogate, which a tokenizer would silently replace, is refused in every text.
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { splitStops } from "../../src/models/generation/generateTexts.js";
import type { LanguageInput } from "../../src/tasks/data/index.js";
import { encodeLanguageExamples } from "../../src/tasks/encodeLanguage.js";
import { encodePrompts } from "../../src/tasks/index.js";
import { ChatTemplate, loadTokenizer, type Message, type Tokenizer } from "../../src/text/index.js";

const loaded = loadTokenizer(fileURLToPath(new URL("../golden/chat/tokenizers/byte-level", import.meta.url)));
const HALF = "x\ud83d";
const FAULT = 'The text "x\\ud83d" has a lone surrogate, half of a character, such as \\ud83d: correct the text.';

describe("a lone surrogate is refused", () => {
  const doors: readonly (readonly [string, (tokenizer: Tokenizer) => Promise<unknown>])[] = [
    ["a text", (t) => t.encode([HALF])],
    ["a text that is truncated", (t) => t.encode([`${"x ".repeat(40000)}${HALF}`], { maxLength: 4 })],
    ["the second of two texts", (t) => t.encode(["a", "\ude00"])],
    ["words", (t) => t.encodeWords(["a", HALF])],
    ["words in rows", (t) => t.encodeWordRows([["a", HALF]])],
    ["a question's context", (t) => t.encodeWindows([["a", HALF]], { maxLength: 20, overlap: 2 })],
    ["a text with offsets", (t) => t.tokensOf([HALF])],
    ["a stop string", (t) => splitStops(t, [HALF])],
  ];

  it.each(doors)("in %s", async (_, encode) => {
    const error = await encode(await loaded).then(
      () => undefined,
      (found: unknown) => found,
    );
    expect(error).toMatchObject({ code: "HALF_CHARACTER" });
    expect(String(error)).toContain("has a lone surrogate, half of a character, such as \\ud83d: correct the text.");
  });

  it("showing the characters before it", async () => {
    await expect((await loaded).encode([`${"a".repeat(50)}\ud83d😀`])).rejects.toThrow(
      `The text "${"a".repeat(19)}\\ud83d"`,
    );
    await expect((await loaded).encode(["😀"])).resolves.toBeDefined();
  });

  const at = { file: "rows.jsonl", line: 7 };
  const example = (input: LanguageInput) => ({ input, label: undefined, at });

  it("in rows for language models, naming the row", async () => {
    const prompt = example({ kind: "prompt", prompt: "a", completion: HALF });
    const other = { ...prompt, input: { ...prompt.input, completion: "b" }, at: { file: "rows.jsonl", line: 6 } };
    await expect(encodeLanguageExamples([other, prompt], await loaded)).rejects.toThrow(`rows.jsonl line 7: ${FAULT}`);
    const alone = example({ kind: "prompt", prompt: HALF, completion: undefined });
    await expect(encodePrompts([alone], await loaded)).rejects.toThrow(`rows.jsonl line 7: ${FAULT}`);
  });

  it("in messages, before a template can join two halves", async () => {
    const halves: Message[] = [
      { role: "user", content: "\ud83d" },
      { role: "assistant", content: [{ type: "text", text: "\ude00" }] },
    ];
    const template = new ChatTemplate("{{ messages[0].content ~ messages[1].content[0].text }}", new Map());
    const fault = "has a lone surrogate, half of a character, such as \\ud83d: correct the text.";
    expect(() => template.render(halves)).toThrow(`messages[0].content ${fault}`);
    expect(() => template.render(halves.slice(1))).toThrow(`messages[0].content ${fault}`);
    const chat = example({ kind: "prompt", prompt: halves, completion: undefined });
    await expect(encodePrompts([chat], await loaded)).rejects.toThrow(
      /^rows\.jsonl line 7: .*messages\[0\]\.content has a lone surrogate/,
    );
  });
});
