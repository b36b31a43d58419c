// Only the end of a text is searched for stop strings. They must be found at the same token as in a search of the whole text.
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { StopStrings } from "../../src/models/generation/generateTexts.js";
import { loadTokenizer, type Tokenizer, textEnd } from "../../src/text/index.js";
import { few } from "../support/few.js";

type Decoding = Pick<Tokenizer, "decode" | "runStart">;

const golden = (path: string) => fileURLToPath(new URL(`../golden/${path}`, import.meta.url));
const FOLDERS = [
  "generation/llama",
  "chat/tokenizers/byte-level",
  "chat/tokenizers/sentence-piece",
  "chat/tokenizers/sentence-piece-legacy",
];
const PARTS = [
  "the cat ",
  "東京と京都",
  "🙂👩‍🚀",
  "Grüße, ",
  "do not  sit. ",
  "x = [1,\n\n 2]",
  "e\u0301 ",
  "ไทย",
  "         ",
];
const STOPS = [
  ["京都🙂", "\n\n"],
  ["👩‍🚀Gr"],
  ["t.  d"],
  ["🚀"],
  ["\u0301"],
  [" 2]東"],
  ["  the cat "],
  ["zz", "ไทย東京"],
];

/** A long text of the parts in a pseudo-random order. */
function textOf(seed: number): string {
  let state = seed;
  const next = () => (state = (state * 1103515245 + 12345) % 2147483648);
  return Array.from({ length: 100 }, () => PARTS[(next() >> 8) % PARTS.length]).join("");
}

test("the bytes of a character count as the replacement character only if later tokens do not complete it", async () => {
  const tokenizer = await loadTokenizer(golden("chat/tokenizers/byte-level"));
  const { inputIds: ids } = await tokenizer.encode(["a\u0e07b"]);
  const stops = new StopStrings(tokenizer, ["\ufffd"]);
  for (let end = 1; end <= ids.length; end++) expect(await stops.isCompleted(ids.slice(0, end)), `${end}`).toBe(false);
  expect(await stops.isCompleted([...ids.slice(0, 2), ids.at(-1) as number])).toBe(true);
});

describe.each(few(FOLDERS, 2))("%s", (folder) => {
  test("a stop string is found as soon as the whole text has it", async () => {
    const tokenizer = await loadTokenizer(golden(folder));
    let found = 0;
    for (const [seed, stop] of STOPS.entries()) {
      const ids = (await tokenizer.encode([textOf(seed)])).inputIds;
      const stops = new StopStrings(tokenizer, stop);
      let start = 0;
      for (let end = 1; end <= ids.length; end++) {
        const tokens = ids.slice(start, end);
        const isThere = stops.find(await tokenizer.decode(tokens)) !== undefined;
        expect(await stops.isCompleted(tokens), `${stop} in tokens ${start} to ${end}`).toBe(isThere);
        if (!isThere) continue;
        if (tokens.length > 100) found++;
        start = end;
      }
    }
    expect(found).toBeGreaterThan(0);
  });

  test("the number of decoded tokens does not grow with the continuation", async () => {
    const tokenizer = await loadTokenizer(golden(folder));
    const ids = (await tokenizer.encode([textOf(5)])).inputIds;
    const decodedOf = async (tokens: readonly number[]) => {
      let most = 0;
      const counted: Decoding = {
        runStart: (some, at) => tokenizer.runStart(some, at),
        decode(some, options) {
          most = Math.max(most, some.length);
          return tokenizer.decode(some, options);
        },
      };
      const end = await textEnd(counted, tokens, 10);
      const all = await tokenizer.decode(tokens);
      expect(all.endsWith(end)).toBe(true);
      expect(end.length).toBeGreaterThanOrEqual(Math.min(all.length, 14));
      return most;
    };
    const long = Array.from({ length: 10 }, () => ids).flat();
    for (let cut = 0; cut < 40; cut++) expect(await decodedOf(long.slice(0, long.length - cut))).toBeLessThan(320);
    const faces = (await tokenizer.encode(["👩‍🚀".repeat(100)])).inputIds;
    for (let cut = 0; cut < 40; cut++) await decodedOf(faces.slice(0, faces.length - cut));
  });
});

describe("a stop string", () => {
  const decoder = (texts: readonly string[], finish = (text: string) => text): Decoding => ({
    decode: async (ids) => finish(ids.map((id) => texts[id]).join("")),
    runStart: (_, at) => at,
  });
  const repeated = (ids: readonly number[], count: number) => Array.from({ length: count }, () => ids).flat();

  test("longer than the look-behind still matches", async () => {
    const tokenizer = decoder(["a", `b${" ".repeat(60)}`]);
    expect(await new StopStrings(tokenizer, ["aab"]).isCompleted([...repeated([0], 500), 1])).toBe(true);
    expect(await new StopStrings(tokenizer, ["aab"]).isCompleted(repeated([0], 500))).toBe(false);
  });

  test("is found where tokens decode differently after others", async () => {
    const tokenizer = decoder(["x", "y", "z", "a"], (text) => text.replaceAll("xyz", "!").trimStart());
    const ids = repeated([0, 1, 2, 3, 0, 1, 2], 100);
    const all = await tokenizer.decode(ids);
    for (let length = 1; length < 40; length++) {
      const end = await textEnd(tokenizer, ids, length);
      expect([end.length < 90, all.endsWith(end)]).toEqual([true, true]);
    }
  });

  test("is found across tokens that decode to nothing", async () => {
    const tokenizer = decoder(["", "s", "t"]);
    expect(await new StopStrings(tokenizer, ["st"]).isCompleted([1, ...repeated([0], 300), 2])).toBe(true);
  });
});
