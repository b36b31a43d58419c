// TEMPORARY
import type { LanguageExample } from "../data/index.js";
import type { Tokenizer } from "../text/index.js";
import type { EncodeOptions } from "./task.js";
export async function encodeLanguage(
  examples: readonly LanguageExample[],
  tokenizer: Tokenizer,
  { maxLength }: EncodeOptions,
) {
  return Promise.all(
    examples.map(async ({ input, at }) => {
      const p = input.text === undefined ? (await tokenizer.encodeBatch([[input.prompt ?? ""]]))[0]!.inputIds : [];
      const c = (await tokenizer.encodeBatch([[input.text ?? input.completion ?? ""]]))[0]!.inputIds;
      const ids = [...p, ...c, 2].slice(0, maxLength);
      return {
        inputIds: ids,
        tokenTypeIds: ids.map(() => 0),
        target: ids.map((_, i) => (i + 1 < ids.length && i + 1 >= p.length ? (ids[i + 1] as number) : -100)),
        at,
      };
    }),
  );
}
