// Completions of models whose tokenizer marks spaces by ▁: a text goes on behind its prompt, with the space between them.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { loadTokenizer, type Tokenizer } from "../../../src/text/index.js";
import { loaded, openServer, withTemplate } from "./openServer.js";

const REPLACE = { type: "Replace", pattern: { String: "▁" }, content: " " };
const STRIP = { type: "Strip", content: " ", start: 1, stop: 0 };
const DECODERS = {
  Metaspace: { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: true },
  Strip: { type: "Sequence", decoders: [REPLACE, { type: "ByteFallback" }, { type: "Fuse" }, STRIP] },
};

/** The name of a token: "ab", and with an even id "▁ab". */
const nameOf = (id: number): string => {
  const letters = String.fromCharCode(97 + (id % 26), 97 + Math.floor(id / 26));
  return id % 2 ? letters : `▁${letters}`;
};

/** A model of 301 tokens, most of them a word or the end of one. */
function marked(name: keyof typeof DECODERS): string {
  const folder = withTemplate(undefined, name);
  const path = join(folder, "tokenizer.json");
  const before = JSON.parse(readFileSync(path, "utf8")) as { added_tokens: { id: number; content: string }[] };
  const special = new Map(before.added_tokens.map(({ id, content }) => [id, content]));
  const bytes = new Map([
    [200, "<0xC3>"],
    [201, "<0xA9>"],
  ]);
  const vocab = Array.from({ length: 301 }, (_, id) => [special.get(id) ?? bytes.get(id) ?? nameOf(id), -5 - id / 301]);
  const spec = {
    ...{ ...before, normalizer: null, post_processor: null, decoder: DECODERS[name] },
    pre_tokenizer: DECODERS.Metaspace,
    model: { type: "Unigram", unk_id: [...special.keys()][0], vocab, byte_fallback: name === "Strip" },
  };
  writeFileSync(path, JSON.stringify(spec));
  return folder;
}

interface Choice {
  readonly text: string;
  readonly finish_reason: string;
  readonly logprobs: { readonly tokens: string[]; readonly text_offset: number[] } | null;
}

describe.each(["Metaspace", "Strip"] as const)("with the decoder %s", (name) => {
  const PROMPTS = [30, 44, 52, 60, 70, 88].map(
    (id) => `${nameOf(id).slice(1)}${nameOf(id + 7)} ${nameOf(id + 2).slice(1)}`,
  );
  let client: Awaited<ReturnType<typeof openServer>>["client"];
  let tokenizer: Tokenizer;
  let idsOf: (prompt: string) => Promise<{ readonly given: readonly number[]; readonly next: readonly number[] }>;

  beforeAll(async () => {
    const folder = marked(name);
    ({ client } = await openServer({ model: folder }));
    const model = await loaded(folder);
    tokenizer = await loadTokenizer(folder);
    idsOf = async (prompt) => {
      const [generated] = await model.generate([prompt], { maxNewTokens: 8 });
      const next = generated!.tokens;
      return { given: (await tokenizer.encode([prompt])).inputIds, next };
    };
  });

  const bodyOf = (body: object) => ({ model: name, prompt: "", max_tokens: 8, temperature: 0, logprobs: 0, ...body });

  async function completed(body: object): Promise<Choice> {
    const { choices } = await client.completions.create(bodyOf(body));
    return choices[0] as Choice;
  }

  async function streamed(body: object): Promise<Pick<Choice, "text"> & { readonly text_offset: number[] }> {
    const found = { text: "", text_offset: [] as number[] };
    for await (const { choices } of await client.completions.create({ ...bodyOf(body), stream: true })) {
      found.text += choices[0]?.text;
      found.text_offset.push(...((choices[0] as Choice).logprobs?.text_offset ?? []));
    }
    return found;
  }

  /** Tokens begin in the text where the offsets say. */
  function expectPlaced({ text, logprobs }: Choice): void {
    const { tokens, text_offset } = logprobs!;
    const characters = Array.from(text);
    for (const [i, token] of tokens.entries()) {
      const isCut = i === 0 && !text.startsWith(" ");
      if (/^(bytes:|<)/.test(token)) continue;
      expect(characters.slice(text_offset[i]).join("")).toMatch(new RegExp(`^${isCut ? token.trimStart() : token}`));
    }
  }

  test("prompt and text together are what all tokens decode to", async () => {
    const starts = new Set<string | undefined>();
    for (const prompt of PROMPTS) {
      const { given, next } = await idsOf(prompt);
      const whole = await tokenizer.decode([...given, ...next]);
      const text = whole.slice(prompt.length);
      starts.add(text[0]);
      for (const [body, expected] of [
        [{ prompt }, text],
        [{ prompt, echo: true }, whole],
        [{ prompt: given }, text],
        [{ prompt: given, echo: true }, whole],
      ] as const) {
        const choice = await completed(body);
        expect(choice.text).toBe(expected);
        expectPlaced(choice);
        const { text_offset } = choice.logprobs!;
        expect(await streamed(body)).toEqual({ text: expected, text_offset });
      }
    }
    expect(starts.size).toBeGreaterThan(1);
    expect(starts).toContain(" ");
  });

  /** Texts of several seeds, of which some begin with a space. */
  const sampled = (prompt: string | readonly number[]) =>
    Promise.all(
      [1, 2, 3, 4, 5, 6].map(async (seed) => {
        const body = { prompt, seed, temperature: 1 };
        return { body, choice: await completed(body) };
      }),
    );

  test("a stop string may begin with the space behind the prompt, and with nothing before it", async () => {
    const [prompt] = PROMPTS as [string];
    const longer = (await sampled(prompt)).filter(({ choice }) => choice.text.length > 3);
    expect(longer.map(({ choice }) => choice.text[0])).toContain(" ");
    for (const { body, choice } of longer) {
      const stopped = await completed({ ...body, stop: choice.text.slice(0, 3) });
      expect([stopped.text, stopped.finish_reason]).toEqual(["", "stop"]);
      const across = `${prompt.at(-1)}${choice.text.slice(0, 2)}`;
      expect((await completed({ ...body, stop: across })).text).toBe(choice.text);
    }
  });

  test("behind a prompt without text, a text has no space at its start", async () => {
    const all = (await sampled([2])).map(({ choice }) => choice);
    expect(all.flatMap(({ logprobs }) => logprobs?.tokens[0]?.[0] ?? [])).toContain(" ");
    for (const choice of all) {
      expect(choice.text).not.toMatch(/^ /);
      expectPlaced(choice);
    }
  });
});
