import { describe, expect, it } from "vitest";
import {
  type LanguageExample,
  type LanguageInput,
  loadReferences,
  promptsWithReferences,
} from "../../../src/tasks/data/index.js";
import { jsonl } from "../../e2e/support.js";

const rowsOf = (...inputs: readonly LanguageInput[]): LanguageExample[] =>
  inputs.map((input, i) => ({ input, label: undefined, at: { file: "rows.jsonl", line: i + 1 } }));
const pair = (prompt: string, completion: string | undefined): LanguageInput => ({
  kind: "prompt",
  prompt,
  completion,
});

describe("rows with the same prompt", () => {
  it("rows with the same prompt are grouped wherever they are in the file", () => {
    const found = promptsWithReferences(rowsOf(pair("a", " one "), pair("b", "two"), pair("a", "three")));
    expect(found.map(({ references }) => references)).toEqual([["one", "three"], ["two"]]);
    expect(found.map(({ example }) => [example.at.line, example.input])).toEqual([
      [1, pair("a", undefined)],
      [2, pair("b", undefined)],
    ]);
  });

  it("a row can have several references", () => {
    const several: LanguageInput = { kind: "prompt", prompt: "a", completion: undefined, references: ["x", "y "] };
    expect(promptsWithReferences(rowsOf(several, pair("a", "z")))[0]?.references).toEqual(["x", "y", "z"]);
  });

  it("a conversation's last answer is its reference", () => {
    const user = { role: "user", content: "hello" } as const;
    const answer = {
      role: "assistant",
      content: [
        { type: "text", text: "good " },
        { type: "text", text: "day" },
      ],
    } as const;
    const [found] = promptsWithReferences(rowsOf({ kind: "messages", messages: [user, answer] }));
    expect(found?.references).toEqual(["good day"]);
    expect(found?.example.input).toEqual({ kind: "prompt", prompt: [user], completion: undefined });
    expect(() => promptsWithReferences(rowsOf({ kind: "messages", messages: [user] }))).toThrow(
      "rows.jsonl line 1: text can be scored",
    );
  });

  it("rows without references are refused", () => {
    for (const input of [pair("a", undefined), { kind: "text", text: "a" } as const])
      expect(() => promptsWithReferences(rowsOf(input))).toThrow(
        "rows.jsonl line 1: text can be scored only if a prompt",
      );
  });
});

describe("references without prompts", () => {
  it("references are a list, or a completion", async () => {
    const found = await loadReferences(jsonl({ references: ["a ", "b"] }, { prompt: "p", completion: " c" }));
    expect(found.map(({ references }) => references)).toEqual([["a", "b"], ["c"]]);
    expect(found.map(({ prompt }) => prompt)).toEqual([undefined, '"p"']);
  });

  it("the reference of a conversation is its last answer", async () => {
    const messages = [
      { role: "user", content: "hello" },
      { role: "assistant", content: "good day" },
    ];
    expect((await loadReferences(jsonl({ messages })))[0]?.references).toEqual(["good day"]);
  });

  it.each([[{ references: [] }], [{ references: "a" }], [{ references: [1] }], [{ text: "a" }]])(
    "%o is none",
    async (row) => {
      await expect(loadReferences(jsonl(row))).rejects.toThrow(
        /line 1: expected references \(a list of strings\) or completion/,
      );
    },
  );
});
