import { readFileSync } from "node:fs";
import { load } from "../../src/app/commands/models/load.js";
import type { EncodeSpec, Precision } from "../turns/protocol.js";
import type { Prepared } from "./work.js";

/** Embeds texts by the library's model, tokenization included. */
export async function encoding({ model: folder, precision, texts: file, batchSize }: EncodeSpec): Promise<Prepared> {
  const model = await load({ model: folder, task: "embedding", dtype: precision as Precision });
  const texts = JSON.parse(readFileSync(file, "utf8")) as string[];
  const work = async () => void (await model.predict(texts, { batchSize }));
  return { work };
}
