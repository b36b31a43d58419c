// Greedy generation, compared with transformers and llama.cpp.
import { join } from "node:path";
import { before, type Context } from "../context.js";
import { ownWorker } from "../programs.js";
import { milliseconds, type Row } from "../rows.js";
import { writeRandomGguf } from "../setup/gguf.js";
import { randomModel } from "../setup/randomModel.js";
import { compare, faster, type Measured, median, ratio, ratioBy } from "../turns/compare.js";
import { compareTokens, job, llamaCpp, ours, type Place, theirs } from "./generationSides.js";
import { LANGUAGE_MODELS, type LanguageModel } from "./language.js";
import { BEFORE } from "./stepRows.js";

const PROMPT = 32;
const NEW_TOKENS = 128;
const AT_ONCE = 16;
const LONG_PROMPT = 1024;
/** Bytes read to measure memory bandwidth: more than the caches hold. */
const READ_BYTES = 2 ** 29;

export async function generate(context: Context, model: LanguageModel): Promise<Row[]> {
  const folder = await randomModel(context.python, join(context.scratch, model), model);
  const gguf = join(context.scratch, `${model}.gguf`);
  writeRandomGguf(folder, model, gguf);
  const effort = { ...context.effort, counts: 1, warmUps: 1 };
  const place = { context, name: LANGUAGE_MODELS[model], model: folder, effort };
  return [...(await manyTokens(place, gguf)), ...(await firstToken(place))];
}

async function manyTokens(place: Place, gguf: string): Promise<Row[]> {
  const { context, name, effort } = place;
  const [one, many] = [job(1, PROMPT, NEW_TOKENS), job(AT_ONCE, PROMPT, NEW_TOKENS)];
  const own = ours(place, one);
  const other = before(context, own);
  const sides = await compare(
    {
      ...theirs(place, one),
      ...llamaCpp(place, gguf, one),
      ours: own,
      ...(other && { before: other }),
      many: ours(place, many),
      read: { program: ownWorker(), spec: { task: "read", bytes: READ_BYTES, threads: context.threads } },
    },
    effort,
  );
  const { float32, bfloat16, native, prebuilt } = sides;
  compareTokens(context, one, sides.ours, { float32, bfloat16, "llama.cpp": native, "node-llama-cpp": prebuilt });
  compareTokens(context, many, sides.many, {});
  const best = faster(float32, bfloat16);
  const { goals } = context;
  const setting = `${name}, ${PROMPT} + ${NEW_TOKENS} tokens`;
  const base = { what: "Generate, one prompt", setting, ours: rate(sides.ours, 1) };
  const beside = (side: Measured) => ({ ...base, theirs: rate(side, 1), ratio: ratio(side, sides.ours) });
  const precision = best === float32 ? "float32" : "bfloat16 weights";
  return [
    { ...beside(best), against: `transformers at its fastest: ${precision}`, goal: goals.generate.transformers },
    { ...beside(native), against: `llama.cpp ${native.facts.llamaCpp}, BF16 weights`, goal: goals.generate.llamaCpp },
    { ...beside(prebuilt), against: `llama.cpp ${prebuilt.facts.llamaCpp}, BF16 weights`, goal: undefined },
    ...(sides.before ? [{ ...beside(sides.before), against: BEFORE, goal: goals.before.others }] : []),
    bandwidth(setting, sides.ours, sides.read),
    {
      what: `Generate, ${AT_ONCE} prompts at once`,
      setting,
      against: "one prompt",
      goal: goals.generate.atOnce,
      ratio: ratioBy(sides.ours, sides.many, (one, many) => (AT_ONCE * one) / many),
      ours: rate(sides.many, AT_ONCE),
      theirs: rate(sides.ours, 1),
    },
  ];
}

function rate({ rounds }: Measured, prompts: number): string {
  return `${((prompts * NEW_TOKENS) / median(rounds)).toFixed(1)} tokens/s`;
}

/** Each new token reads the weights once: the whole prompt is a single pass. */
function bandwidth(setting: string, generated: Measured, read: Measured): Row {
  const bytes = NEW_TOKENS * (generated.facts.weightBytes as number);
  const gigabytes = (bytes: number, { rounds }: Measured) => `${(bytes / median(rounds) / 1e9).toFixed(1)} GB/s`;
  return {
    what: "Weights read, one prompt",
    setting,
    against: "memory read and summed",
    goal: undefined,
    ratio: ratioBy(generated, read, (generating, reading) => bytes / generating / (READ_BYTES / reading)),
    ours: gigabytes(bytes, generated),
    theirs: gigabytes(READ_BYTES, read),
  };
}

async function firstToken(place: Place): Promise<Row[]> {
  const { context, name, effort } = place;
  const long = job(1, LONG_PROMPT, 1);
  const sides = await compare({ ...theirs(place, long), ours: ours(place, long) }, effort);
  const { float32, bfloat16 } = sides;
  compareTokens(context, long, sides.ours, { float32, bfloat16 });
  const best = faster(float32, bfloat16);
  return [
    {
      what: "Time to first token",
      setting: `${name}, prompt of ${LONG_PROMPT}`,
      against: `transformers at its fastest: ${best === float32 ? "float32" : "bfloat16 weights"}`,
      goal: context.goals.generate.firstToken,
      ratio: ratio(best, sides.ours),
      ours: milliseconds(sides.ours),
      theirs: milliseconds(best),
    },
  ];
}
