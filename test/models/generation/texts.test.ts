import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { StopStrings } from "../../../src/models/generation/generateTexts.js";
import * as choosing from "../../../src/models/generation/generateTokens.js";
import { GREEDY } from "../../../src/models/generation/generationSettings.js";
import { type GeneratedPiece, generateTexts, splitStops } from "../../../src/models/generation/index.js";
import type { TaskModel } from "../../../src/models/index.js";
import { loadTokenizer, type Tokenizer } from "../../../src/text/index.js";
import { GOLDEN } from "../../support/golden.js";

vi.mock("../../../src/models/generation/generateTokens.js", { spy: true });

const FOLDER = join(GOLDEN, "generation/llama");
let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(FOLDER);
});

/** The streamed pieces of tokens that a mocked model generates. */
async function piecesOf(ids: readonly number[], stop: readonly string[] = []): Promise<GeneratedPiece[]> {
  vi.mocked(choosing.generateTokens).mockImplementation(async function* (_model, _prompts, _settings, options) {
    for (let i = 0; i < ids.length; i++) {
      const isStopped = await options?.isStopped?.(0, ids.slice(0, i + 1));
      const finish = isStopped ? "stop" : i === ids.length - 1 ? "length" : undefined;
      yield { prompt: 0, tokens: [ids[i] as number], finish };
      if (finish) return;
    }
  });
  const pieces: GeneratedPiece[] = [];
  const prompts = [{ ids: [5], maxNewTokens: 99, uniform: () => 0 }];
  for await (const piece of generateTexts({ model: {} as TaskModel, tokenizer }, prompts, { ...GREEDY, stop }))
    pieces.push(piece);
  return pieces;
}

const idsOf = async (text: string) => (await tokenizer.encode([text])).inputIds;

describe("streamed text", () => {
  test("has no partial characters, and is complete at the end", async () => {
    const text = "東京 🙂é end";
    const ids = await idsOf(text);
    const pieces = await piecesOf(ids);
    expect(pieces.length).toBe(ids.length);
    expect(pieces.some((piece) => piece.text === "")).toBe(true);
    expect(pieces.map((piece) => piece.text).join("")).toBe(text);
    for (const piece of pieces) expect(piece.text).not.toMatch(/\ufffd/);
  });

  test("ends with U+FFFD for a partial character", async () => {
    const ids = (await idsOf("é")).slice(0, 1);
    expect((await piecesOf(ids)).map((piece) => piece.text)).toEqual(["\ufffd"]);
  });

  test("has no special tokens", async () => {
    const [end] = await idsOf("<end>");
    const a = await idsOf("a");
    const pieces = await piecesOf([...a, end as number, ...a, end as number]);
    expect(pieces.map((piece) => piece.text).join("")).toBe("aa");
  });

  test("has no part of a stop string, however its characters are spread over tokens", async () => {
    const ids = await idsOf("xyz STOq STOP it");
    const pieces = await piecesOf(ids, ["STOP", "never"]);
    const texts = pieces.map((piece) => piece.text);
    expect(texts.join("")).toBe("xyz STOq ");
    expect(pieces.at(-1)?.finish).toBe("stop");
    let all = "";
    for (const piece of texts) {
      all += piece;
      expect("xyz STOq ".startsWith(all)).toBe(true);
    }
  });

  test("ends with the held-back text if no stop string came", async () => {
    expect((await piecesOf(await idsOf("ab STO"), ["STOP"])).map((piece) => piece.text).join("")).toBe("ab STO");
  });
});

test("the first of several stop strings counts", () => {
  const stops = new StopStrings(tokenizer, ["cd", "bcx", "d"]);
  expect([stops.find("abcd"), stops.find("abcx"), stops.find("ab"), new StopStrings(tokenizer, []).find("a")]).toEqual([
    2,
    1,
    undefined,
    undefined,
  ]);
  expect([stops.certainLength("ab"), stops.certainLength("abc"), stops.certainLength("a")]).toEqual([1, 1, 1]);
  expect(new StopStrings(tokenizer, []).certainLength("abc")).toBe(3);
  expect(new StopStrings(tokenizer, ["aab"]).certainLength("xaaa")).toBe(2);
});

test("a special token among the stop strings is matched as a token", async () => {
  const [end] = await idsOf("<other>");
  expect(await splitStops(tokenizer, ["a", "<other>"])).toEqual({ stop: ["a"], stopTokens: [end] });
});

test("a special token with other text, which no text has, is refused as a stop string, unless the token is shown", async () => {
  const [other] = await idsOf("<other>");
  const never = (stop: string, token: string) =>
    `The stop string ${JSON.stringify(stop)} is never found, since texts are without the special token ${token}: give that token alone.`;
  await expect(splitStops(tokenizer, ["a", "<other>\n"])).rejects.toThrow(never("<other>\n", "<other>"));
  await expect(splitStops(tokenizer, ["x<other>"])).rejects.toMatchObject({ code: "STOP" });
  const shown = () => new Set([other as number]);
  expect(await splitStops(tokenizer, ["x<other>"], shown)).toEqual({ stop: ["x<other>"], stopTokens: [] });
  await expect(splitStops(tokenizer, ["<other><end>"], shown)).rejects.toThrow(never("<other><end>", "<end>"));
});

test.each(["sentence-piece", "sentence-piece-legacy"])(
  "a space among the stop strings of %s is no special token",
  async (name) => {
    const folder = join(GOLDEN, "chat", "tokenizers", name);
    const own = await loadTokenizer(folder);
    const { stop, stopTokens } = await splitStops(own, [" ", "▁", "</s>"]);
    expect(stop).toEqual([" ", "▁"]);
    expect(stopTokens).toEqual([own.tokenId("</s>")]);
  },
);
