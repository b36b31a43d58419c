import { basename, dirname } from "node:path";
import type { PreTrainedModel, Tensor } from "@huggingface/transformers";
import { vi } from "vitest";
import type { OnnxDtypeName } from "../../../../src/use/export/onnx/dtypes.js";

/** transformers.js, which sets these variables. */
function library(): Promise<typeof import("@huggingface/transformers")> {
  for (const name of ["VIPSHOME", "ORT_DISABLE_TELEMETRY"]) vi.stubEnv(name, undefined);
  return import("@huggingface/transformers");
}

/** Opens an exported folder in transformers.js, without the network. */
export async function openCausalLm(folder: string, dtype: OnnxDtypeName = "fp32"): Promise<PreTrainedModel> {
  const { AutoModelForCausalLM, env } = await library();
  env.allowRemoteModels = false;
  env.localModelPath = dirname(folder);
  return AutoModelForCausalLM.from_pretrained(basename(folder), { dtype, session_options: { intraOpNumThreads: 1 } });
}

/** The answer to a conversation by transformers.js's pipeline. */
export async function answerTo(folder: string, text: string, tokens: number): Promise<string> {
  const { env, pipeline } = await library();
  Object.assign(env, { allowRemoteModels: false, localModelPath: dirname(folder) });
  const generate = await pipeline("text-generation", basename(folder), { dtype: "fp32" });
  const messages = [{ role: "user", content: text }];
  const [answer] = (await generate(messages, { max_new_tokens: tokens, do_sample: false })) as unknown as [
    { generated_text: { content: string }[] },
  ];
  await generate.dispose();
  return answer.generated_text.at(-1)?.content as string;
}

const int64 = async (rows: readonly (readonly number[])[]): Promise<Tensor> =>
  new (await library()).Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [
    rows.length,
    (rows[0] as readonly number[]).length,
  ]);

/** The tokens that transformers.js generates greedily after prompts, as one left-padded batch. */
export async function greedyTokens(
  model: PreTrainedModel,
  prompts: readonly (readonly number[])[],
  { padding, tokens }: { readonly padding: number; readonly tokens: number },
): Promise<number[][]> {
  const longest = Math.max(...prompts.map(({ length }) => length));
  const padded = (fill: number, of: (id: number) => number) =>
    prompts.map((ids) => [...new Array<number>(longest - ids.length).fill(fill), ...ids.map(of)]);
  const output = (await model.generate({
    inputs: await int64(padded(padding, (id) => id)),
    attention_mask: await int64(padded(0, () => 1)),
    max_new_tokens: tokens,
    do_sample: false,
  } as Parameters<PreTrainedModel["generate"]>[0])) as Tensor;
  return output.tolist().map((row: bigint[]) => row.slice(longest).map(Number));
}
