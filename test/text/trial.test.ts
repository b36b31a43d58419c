import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadTokenizer } from "../../src/text/index.js";
import { tryTokenizer } from "../../src/text/trial.js";

const golden = fileURLToPath(new URL("../golden/text", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "bidora-trial-"));
const cache = join(work, "cache");
const marks = () => (existsSync(cache) ? readdirSync(join(cache, "bidora", "tokenizers")) : []);

beforeEach(() => vi.stubEnv("XDG_CACHE_HOME", cache));
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});
afterAll(() => rmSync(work, { recursive: true }));

const good: object = JSON.parse(readFileSync(`${golden}/bert-uncased-fast/tokenizer.json`, "utf8"));

function folderOf(spec: object): string {
  const folder = mkdtempSync(join(work, "model-"));
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(spec));
  return folder;
}

const split = (expression: string) => ({
  normalizer: null,
  pre_tokenizer: { type: "Split", pattern: { Regex: expression }, behavior: "Isolated", invert: false },
});
const sequence = (id: "A" | "B") => ({ Sequence: { id, type_id: 0 } });

describe("a tokenizer that would end the process is refused in one sentence", () => {
  it.each([
    ["a character map that is none", { normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" } }],
    [
      "a template with a second text for one",
      {
        post_processor: {
          type: "TemplateProcessing",
          single: [sequence("B")],
          pair: [sequence("A"), sequence("B")],
          special_tokens: {},
        },
      },
    ],
    ["an expression with nested loops", split("(([a-z]|[a-z.])+)+!")],
  ])("%s", async (_, broken) => {
    const folder = folderOf({ ...good, ...broken });
    await expect(loadTokenizer(folder)).rejects.toThrow(
      `${join(folder, "tokenizer.json")} is broken: a tokenizer made from it ends the process`,
    );
    expect(marks()).toEqual([]);
  });

  it("one that takes too long", async () => {
    const spec = JSON.stringify({ ...good, ...split("q*q*q*!") });
    await expect(tryTokenizer(spec, "tokenizer.json", 500)).rejects.toThrow(
      /^tokenizer\.json is broken: .* takes more than 0\.5 s to split a short text/,
    );
    expect(marks()).toEqual([]);
  });
});

describe("a tokenizer that passes", () => {
  it("is tried once, whatever its folder, and again when it changes", async () => {
    await loadTokenizer(folderOf(good));
    const [mark] = marks();
    expect(mark).toMatch(/^[0-9a-f]{64}$/);
    await loadTokenizer(folderOf(good));
    expect(marks()).toEqual([mark]);
    await loadTokenizer(folderOf({ ...good, ...split(" ?\\p{L}+|\\s+(?!\\S)|\\s+") }));
    expect(marks().length).toBe(2);
    const seen = JSON.stringify({ ...good, truncation: null, padding: null });
    await tryTokenizer(seen, "tokenizer.json", 1);
  });

  it("loads if the cache folder cannot be written", async () => {
    writeFileSync(join(work, "file"), "");
    vi.stubEnv("XDG_CACHE_HOME", join(work, "file"));
    const folder = mkdtempSync(join(work, "model-"));
    cpSync(`${golden}/unigram/tokenizer.json`, join(folder, "tokenizer.json"));
    expect((await (await loadTokenizer(folder)).encode(["a"])).inputIds.length).toBeGreaterThan(2);
  });
});
