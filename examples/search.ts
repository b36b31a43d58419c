// Finds the texts nearest to a question by their embeddings: node build/examples/search.js [MODEL] [TEXTS] [QUESTION]
import { readFileSync } from "node:fs";
import { load, retrieval } from "bidora";

const [
  name = "sentence-transformers/all-MiniLM-L6-v2",
  file = "examples/data/shares.jsonl",
  question = "Did the audience like it?",
] = process.argv.slice(2);
const lines = readFileSync(file, "utf8").trim().split("\n");
const texts = lines.map((line) => (JSON.parse(line) as { text: string }).text);

const model = await load({ model: name, task: "embedding" });
const embed = async (rows: readonly string[]) =>
  (await model.predict(rows)).map((prediction) => prediction.embedding ?? []);

// Each query's best documents, by exact search over all of them.
const search = { queries: await embed([question]), documents: await embed(texts) };
for await (const hits of retrieval.nearest(search, 3))
  for (const { document, score } of hits) console.log(`${score.toFixed(3)}  ${texts[document]}`);

model.dispose();
