// Training steps of language models on chat-like rows.
import { join } from "node:path";
import { type Cell, type Context, own } from "../context.js";
import type { Row } from "../rows.js";
import { CHAT_ROWS, CHAT_TOKENS, writeChatRows } from "../setup/chatRows.js";
import { randomModel } from "../setup/randomModel.js";
import { compare, type Effort, type Measured } from "../turns/compare.js";
import type { OwnSpec } from "../turns/protocol.js";
import { BEFORE, bothBuilds, cost, memory, peftRows, peftSides, speed } from "./stepRows.js";

/** The published models whose sizes are used: the last on a card, the others on the CPU, where quick mode takes only the first. */
export const LANGUAGE_MODELS = { smollm2: "SmolLM2-135M", gpt2: "GPT-2 small", llama: "Llama 3.2 1B" } as const;

export type LanguageModel = keyof typeof LANGUAGE_MODELS;

export function languageModelsOf({ quick, device }: Context): LanguageModel[] {
  if (device !== undefined) return ["llama"];
  return quick ? ["smollm2"] : ["smollm2", "gpt2"];
}

/** A language model and the rows that it trains on. */
interface Place {
  readonly context: Context;
  readonly setting: string;
  readonly cell: Cell;
  readonly options: Pick<OwnSpec, "model" | "kind" | "labels">;
  readonly effort: Effort;
}

export async function language(context: Context, name: LanguageModel): Promise<Row[]> {
  const model = await randomModel(context.python, join(context.scratch, name), name);
  const data = join(context.scratch, "chat-rows.json");
  writeChatRows(data);
  const place: Place = {
    context,
    setting: `${LANGUAGE_MODELS[name]}, all linear, ${CHAT_ROWS} chats, ${CHAT_TOKENS} tokens`,
    cell: { targets: "all-linear", data, batchSize: CHAT_ROWS, isInOrder: true },
    options: { model, kind: "causal-lm", labels: 0 },
    effort: { ...context.effort, counts: 1 },
  };
  return [...(await besidePeft(place)), ...(await besideLora(place))];
}

async function besidePeft({ context, setting, cell, options, effort }: Place): Promise<Row[]> {
  const choice = { task: "train", method: "lora", precision: "bfloat16" } as const;
  const sides = await compare(
    { ...peftSides(context, cell, "lora", options), ...bothBuilds(context, cell, choice, options) },
    effort,
  );
  const { ours, autocast, weights, float32 } = sides;
  for (const side of [autocast, weights, float32]) checkSameWork(ours, side);
  const { goals } = context;
  const step = { what: "LoRA step, language model", setting };
  const peak = { what: "LoRA, language model, peak memory", setting };
  return [
    ...peftRows({ ...step, goal: goals.language.peft }, ours, sides),
    ...(sides.before ? [speed({ ...step, against: BEFORE, goal: goals.before.others }, ours, sides.before)] : []),
    memory({ ...peak, against: "PEFT, bfloat16 weights", goal: goals.language.memory }, ours, weights),
    ...(sides.before ? [memory({ ...peak, against: BEFORE, goal: goals.before.memory }, ours, sides.before)] : []),
  ];
}

/** Checks that both sides train the same number of parameters on the same number of tokens. */
export function checkSameWork({ facts: ours }: Measured, { facts: theirs }: Measured): void {
  for (const fact of ["trained", "bearLoss"]) {
    if (ours[fact] === undefined || ours[fact] !== theirs[fact])
      throw new Error(`The sides do different work: ${fact} is ${ours[fact]} for ours and ${theirs[fact]} for theirs.`);
  }
}

async function besideLora({ context, setting, cell, options, effort }: Place): Promise<Row[]> {
  const side = (choice: Pick<OwnSpec, "method" | "hypergradient">) =>
    own(context, cell, { task: "train", precision: "bfloat16", ...choice }, options);
  const sides = await compare(
    {
      lora: side({ method: "lora" }),
      dora: side({ method: "dora" }),
      forward: side({ method: "bidora", hypergradient: "forward-difference" }),
      exact: side({ method: "bidora", hypergradient: "exact" }),
    },
    effort,
  );
  const { dora, search } = context.goals.language;
  const place = { setting, against: "our LoRA step" };
  const searchStep = "BiDoRA step, language model";
  return [
    cost({ ...place, what: "DoRA step, language model", goal: dora }, sides.dora, sides.lora),
    cost({ ...place, what: `${searchStep}, forward-difference`, goal: search }, sides.forward, sides.lora),
    cost({ ...place, what: `${searchStep}, exact`, goal: search }, sides.exact, sides.lora),
  ];
}
