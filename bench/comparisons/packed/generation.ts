// Generation from quantized GGUF files, compared with llama.cpp on the same files.
import type { Context } from "../../context.js";
import { llamaCppWorker, ownWorker } from "../../programs.js";
import type { Row } from "../../rows.js";
import { compare, type Effort, type Measured, median, ratio, type Side } from "../../turns/compare.js";
import type { GenerateSpec } from "../../turns/protocol.js";
import { commonPrefixLength, generated } from "../../turns/sameTokens.js";
import { type Job, job } from "../generationSides.js";
import { packedEffort } from "./effort.js";
import { GGUF_TYPES, type GgufType, ggufOf, ownEnvironment, type PackedModel, VOCABULARY } from "./models.js";

const LONG_PROMPT = 256;
const PROMPT = 16;

/** A file, and the threads of each side. */
interface Place {
  readonly context: Context;
  readonly model: PackedModel;
  readonly type: GgufType;
  readonly file: string;
  readonly threads: number;
  readonly effort: Effort;
}

export async function packedGeneration(context: Context, model: PackedModel): Promise<Row[]> {
  const rows: Row[] = [];
  for (const type of GGUF_TYPES) {
    const file = await ggufOf(context, model, type);
    for (const threads of new Set([context.threads, 1])) {
      // Each side generates once when it is prepared, which is warm-up enough.
      const effort = { ...packedEffort(context), warmUps: 0 };
      const place = { context, model, type, file, threads, effort };
      rows.push(...(await newTokens(place)), ...(await prompt(place)));
    }
  }
  return rows;
}

async function newTokens(place: Place): Promise<Row[]> {
  const { name, newTokens: counted } = place.model;
  const tokens = job(1, PROMPT, counted, VOCABULARY);
  const what = `Generate, ${place.type} file`;
  const setting = `${name}, ${PROMPT} + ${counted} tokens, ${threadsOf(place)}`;
  return [await besideLlamaCpp(place, { what, setting, tokens, counted })];
}

async function prompt(place: Place): Promise<Row[]> {
  const tokens = job(1, LONG_PROMPT, 1, VOCABULARY);
  const what = `Read a prompt, ${place.type} file`;
  const setting = `${place.model.name}, ${LONG_PROMPT} tokens, ${threadsOf(place)}`;
  return [await besideLlamaCpp(place, { what, setting, tokens, counted: LONG_PROMPT })];
}

const threadsOf = ({ threads }: Place): string => `${threads} ${threads === 1 ? "thread" : "threads"}`;

interface Measure extends Pick<Row, "what" | "setting"> {
  readonly tokens: Job;
  /** The number of tokens that the rate is of. */
  readonly counted: number;
}

async function besideLlamaCpp(place: Place, { what, setting, tokens, counted }: Measure): Promise<Row> {
  const { context, file, threads, effort } = place;
  const spec: GenerateSpec = { task: "generate", model: file, threads, precision: "bfloat16", ...tokens };
  const program = { ...ownWorker(), environment: ownEnvironment(context) };
  const llamaCpp: Side = { program: llamaCppWorker(context.python), spec };
  const { ours, theirs } = await compare({ ours: { program, spec }, theirs: llamaCpp }, effort);
  const rate = ({ rounds }: Measured) => `${(counted / median(rounds)).toFixed(1)} tokens/s`;
  return {
    what,
    setting,
    against: `llama.cpp ${theirs.facts.llamaCpp}, the same file; ${agreement(tokens, ours, theirs)}`,
    goal: context.goals.packed.llamaCpp,
    ratio: ratio(theirs, ours),
    ours: rate(ours),
    theirs: rate(theirs),
  };
}

/** How many new tokens both sides have in common: with random weights, rounding may decide. */
function agreement({ newTokens }: Job, ours: Measured, theirs: Measured): string {
  const [[own], [other]] = [ours, theirs].map((side) => generated(side, 1, newTokens)) as [number[][], number[][]];
  const same = commonPrefixLength(own as number[], other as number[]);
  return same === newTokens ? "the same tokens" : `the first ${same} of ${newTokens} tokens are the same`;
}
