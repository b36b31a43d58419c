import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadTokenizer, type Texts, type Tokenizer } from "../../src/text/index.js";

type Repeated = { readonly repeat: string; readonly times: number; readonly end: string };
type Change = Readonly<Record<string, unknown>>;

interface Golden {
  readonly tokenizers: readonly {
    readonly source: string;
    readonly change: Change;
    readonly rows: readonly {
      readonly texts: readonly (string | Repeated)[];
      readonly maxLength: number | null;
      readonly ids: number[];
      /** Null for a model without token types. */
      readonly typeIds: number[] | null;
    }[];
  }[];
  readonly words: readonly {
    readonly side: string;
    readonly words: string[];
    readonly ids: number[];
    readonly wordStarts: number[];
  }[];
}

const golden = fileURLToPath(new URL("../golden", import.meta.url));
const { tokenizers, words }: Golden = JSON.parse(readFileSync(join(golden, "text/settings.json"), "utf8"));

/** The tokenizer of a folder with changed settings in tokenizer_config.json. */
async function changed(source: string, change: Change): Promise<Tokenizer> {
  const folder = mkdtempSync(join(tmpdir(), "bidora-text-"));
  cpSync(join(golden, source), folder, { recursive: true });
  const file = join(folder, "tokenizer_config.json");
  const settings = Object.entries({ ...JSON.parse(readFileSync(file, "utf8")), ...change });
  writeFileSync(file, JSON.stringify(Object.fromEntries(settings.filter(([, value]) => value !== null))));
  return loadTokenizer(folder);
}

const whole = (text: string | Repeated) =>
  typeof text === "string" ? text : text.repeat.repeat(text.times) + text.end;

describe("settings of tokenizer_config.json work as in transformers", () => {
  it.each(tokenizers)("$source with $change", async ({ source, change, rows }) => {
    const tokenizer = await changed(source, change);
    for (const { texts, maxLength, ids, typeIds } of rows) {
      const encoded = await tokenizer.encode(texts.map(whole) as unknown as Texts, {
        maxLength: maxLength ?? undefined,
      });
      const result = { ids: encoded.inputIds, typeIds: tokenizer.givesTypes ? encoded.tokenTypeIds : null };
      expect({ texts, maxLength, ...result }).toEqual({ texts, maxLength, ids, typeIds });
    }
  });

  it.each(words)("words truncated on the $side", async ({ side, words: row, ids, wordStarts }) => {
    const tokenizer = await changed("bert/single", { truncation_side: side });
    expect(await tokenizer.encodeWords(row, { maxLength: 9 })).toMatchObject({ inputIds: ids, wordStarts });
  });

  it.each([
    [{ truncation_side: "top" }, "truncation_side must be right or left"],
    [{ model_input_names: "input_ids" }, "model_input_names must be a list"],
    [{ model_input_names: [1] }, "model_input_names must be a list"],
    [{ model_max_length: "48" }, 'model_max_length must be a number of at least 1, but is "48"'],
    [{ model_max_length: 0 }, "model_max_length must be a number of at least 1, but is 0"],
  ])("%j is refused", async (change, message) => {
    await expect(changed("bert/single", change)).rejects.toThrow(message);
  });
});
