import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import { loadTokenizer, type Texts } from "../../src/text/index.js";
import { GOLDEN } from "../support/golden.js";

interface Case {
  readonly source: string;
  /** What replaces the folder's files; null removes one. A tokenizer.json is merged with the folder's. */
  readonly files: Readonly<Record<string, JsonObject | null>>;
  /** The class that transformers picks. */
  readonly class: string;
  readonly size: number;
  readonly rows: readonly {
    readonly texts: Texts;
    readonly maxLength: number | null;
    readonly ids: readonly number[];
    readonly typeIds: readonly number[];
  }[];
}

const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const cases: readonly Case[] = read(join(GOLDEN, "text/classes.json"));

function placed({ source, files }: Case): string {
  const folder = mkdtempSync(join(tmpdir(), "bidora-text-"));
  cpSync(join(GOLDEN, source), folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    const own = name === "tokenizer.json" ? read(path) : {};
    const model = { ...own.model, ...(content?.model as JsonObject) };
    if (content === null) rmSync(path, { force: true });
    else writeFileSync(path, JSON.stringify({ ...own, ...content, ...(own.model && { model }) }));
  }
  return folder;
}

const nameOf = ({ files }: Case): string =>
  Object.entries(files)
    .filter(([, content]) => content !== null)
    .map(([name, content]) => `${name} ${JSON.stringify(content).slice(0, 80)}`)
    .join(", ");

it.each(cases.map((each, i) => [`${i}: ${each.source} with ${nameOf(each)}`, each] as const))(
  "agrees with transformers: %s",
  async (_, each) => {
    const tokenizer = await loadTokenizer(placed(each));
    for (const { texts, maxLength, ids, typeIds } of each.rows) {
      const encoded = await tokenizer.encode(texts, { maxLength: maxLength ?? undefined });
      expect({ texts, maxLength, ...encoded }).toEqual({ texts, maxLength, inputIds: ids, tokenTypeIds: typeIds });
    }
    expect(tokenizer.size).toBe(each.size);
  },
);
