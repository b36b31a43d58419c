import { describe, expect, it } from "vitest";
import type { Tokenizer } from "../../../src/text/index.js";
import { promptText, rowText, shortText } from "../../../src/training/run/runEvaluation.js";

describe("a short text", () => {
  it("is one line, cut at 300 characters", () => {
    expect(shortText("  one\r\n\ttwo   three ")).toBe("one two three");
    expect(shortText("x".repeat(300))).toBe("x".repeat(300));
    expect(shortText("x".repeat(301))).toBe(`${"x".repeat(299)}…`);
    expect(shortText("")).toBe("");
  });

  it("is cut between characters, never within a surrogate pair", () => {
    const cut = shortText("👍".repeat(301));
    expect(cut).toBe(`${"👍".repeat(299)}…`);
  });
});

describe("a row's text", () => {
  const spelled: number[][] = [];
  const tokenizer = {
    decode: async (ids: readonly number[]) => {
      spelled.push([...ids]);
      return ids.join(" ");
    },
  } as unknown as Tokenizer;
  const ends = { front: [101], back: [102] };

  it("leaves out special tokens at the ends, and keeps the separator between two texts", async () => {
    expect(await rowText(tokenizer, [101, 5, 102, 6, 102], ends)).toBe("5 102 6");
    expect(await rowText(tokenizer, [5, 6], ends)).toBe("5 6");
    expect(await rowText(tokenizer, [101, 102], ends)).toBe("");
    expect(await rowText(tokenizer, [5], { front: [], back: [] })).toBe("5");
  });

  it("decodes no more of a long row than needed", async () => {
    await rowText(tokenizer, [101, ...Array<number>(5000).fill(7), 102], ends);
    expect(spelled.at(-1)).toHaveLength(600);
  });
});

it("is the last message of a conversation", () => {
  expect(promptText({ kind: "prompt", prompt: "Say:", completion: undefined })).toBe("Say:");
  const messages = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hello" },
  ] as const;
  expect(promptText({ kind: "messages", messages: [...messages] })).toBe("Hello");
  expect(promptText({ kind: "text", text: "Once" })).toBe("Once");
});
