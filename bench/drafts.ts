// `npm run bench -- drafts`: tokens per second of `generate` with a draft compared with none, in turns, on texts that repeat their prompt and on
// others. The tokens must be the same.
import { parseArgs } from "node:util";
import { load } from "../src/app/commands/models/load.js";
import { unpinEnvironment } from "./programs.js";
import { median } from "./turns/compare.js";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    draft: { type: "string", default: "ngram" },
    dtype: { type: "string", default: "auto" },
    tokens: { type: "string", default: "128" },
    prompts: { type: "string", default: "1" },
    rounds: { type: "string", default: "5" },
    temperature: { type: "string" },
  },
});
if (values.model === undefined) throw new Error("--model is missing: give a language model that follows instructions.");
unpinEnvironment();

const PASSAGE = `The harbour of the old town lies at the mouth of a small river. In the morning the fishing boats come back, and their crews
sell what they have caught from wooden tables on the quay. At noon the tables are washed and carried away, and the quay belongs to the
children, who jump from its wall into the water. In the evening the crews mend their nets in front of the boat houses, and in the
night the boats leave again.`;

const TASKS = {
  "repeats its prompt": `Correct the spelling of this text, and answer with the whole corrected text:\n\n${PASSAGE.replaceAll("the", "teh")}`,
  quotes: `${PASSAGE}\n\nQuote the sentences of this text that mention boats, word for word.`,
  "free text": "Write a short story about a lighthouse keeper who finds a letter in a bottle.",
};

const model = await load({ model: values.model, dtype: values.dtype as "auto" });
const count = Number(values.prompts);

async function measure(content: string, draft: string | undefined) {
  const temperature = values.temperature === undefined ? undefined : Number(values.temperature);
  const settings = {
    maxNewTokens: Number(values.tokens),
    ...(temperature && { temperature }),
    ...(draft && { draft }),
  };
  const prompts = Array.from({ length: count }, () => [{ role: "user" as const, content }]);
  const start = performance.now();
  const rows = await model.generate(prompts, settings);
  const tokens = rows.flatMap((row) => row.tokens);
  return { rate: tokens.length / ((performance.now() - start) / 1000), tokens };
}

for (const [name, content] of Object.entries(TASKS)) {
  const rounds: { readonly plain: number; readonly drafted: number; readonly ratio: number }[] = [];
  await measure(content, values.draft);
  let same = 0;
  for (let round = 0; round < Number(values.rounds); round++) {
    const [plain, drafted] = [await measure(content, undefined), await measure(content, values.draft)];
    same = plain.tokens.findIndex((token, i) => drafted.tokens[i] !== token);
    rounds.push({ plain: plain.rate, drafted: drafted.rate, ratio: drafted.rate / plain.rate });
  }
  const of = (pick: (round: (typeof rounds)[number]) => number) => median(rounds.map(pick)).toFixed(1);
  const ratios = rounds.map(({ ratio }) => ratio);
  process.stdout.write(
    `${name}: ${of(({ plain }) => plain)} tokens/s without a draft, ${of(({ drafted }) => drafted)} with ${values.draft}, ratio ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}), ${same < 0 ? "the same tokens" : `the same tokens up to ${same}`}\n`,
  );
}
model.dispose();
