// Models that can write JSON: with room for it, and with tokens for its characters.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freshPath } from "../../support/workFolder.js";
import { ADAPTED, LLAMA, withTemplate } from "./openServer.js";

function edit(folder: string, file: string, change: (json: Record<string, unknown>) => object): void {
  const path = join(folder, file);
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")))));
}

/** A model with 2048 positions and a chat template. */
export function roomy(name = "roomy", model = LLAMA): string {
  const folder = withTemplate(model, name);
  edit(folder, "config.json", (config) => ({ ...config, max_position_embeddings: 2048 }));
  return folder;
}

/** The model that has adapters, with a byte-level tokenizer, some of whose tokens reach over two parts of JSON. */
export function adaptedWriter(name = "lm"): string {
  const folder = join(freshPath("models"), name);
  mkdirSync(folder, { recursive: true });
  cpSync(ADAPTED, folder, { recursive: true });
  edit(folder, "config.json", (config) => ({ ...config, max_position_embeddings: 2048 }));
  edit(folder, "tokenizer.json", byteLevel);
  return folder;
}

/** 117 tokens: the special ones, printable characters, space and line break, and pairs. */
function byteLevel(before: Record<string, unknown>): object {
  const special = before.added_tokens as { id: number; content: string }[];
  const characters = [...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), "Ġ", "Ċ"];
  const pairs = ['{"', '":', '",', 'Ġ"', '"}', "},", "[{", "}]", '["', '"]', "]}", ":Ġ", ",Ġ", ":[", "12", "ĊĠ"];
  const tokens = [...special.map(({ content }) => content), ...characters, ...pairs];
  const merges = pairs.map((pair) => [...pair]);
  return {
    ...{ version: "1.0", truncation: null, padding: null, normalizer: null, post_processor: null },
    added_tokens: special,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    model: {
      ...{ type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: false },
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}
