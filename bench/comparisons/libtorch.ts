// bidora on its current libtorch and on another one, in turns.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { type Context, effortFor, own, type Setting, settingName } from "../context.js";
import { ROOT } from "../programs.js";
import { milliseconds, type Row } from "../rows.js";
import { randomModel } from "../setup/randomModel.js";
import { compare, type Measured, ratio, type Side } from "../turns/compare.js";
import type { OwnSpec } from "../turns/protocol.js";
import { job, ours } from "./generationSides.js";
import { LANGUAGE_MODELS, type LanguageModel } from "./language.js";
import { startModel, startRatio, timedStarts } from "./start.js";

type Choice = Pick<OwnSpec, "method" | "precision" | "hypergradient">;
type Environment = Readonly<Record<string, string>>;

const CHOICES: Readonly<Record<string, Choice>> = {
  "LoRA step": { method: "lora", precision: "bfloat16" },
  "LoRA step in float32": { method: "lora", precision: "float32" },
  "DoRA step": { method: "dora", precision: "bfloat16" },
  "BiDoRA step, exact": { method: "bidora", precision: "bfloat16", hypergradient: "exact" },
};

const run = promisify(execFile);

/** The environment of the other libtorch, for which the addon is built unless it exists. */
async function otherEnvironment({ libtorch }: Context): Promise<Environment> {
  const environment = { LIBTORCH: libtorch === "system" ? await systemLibtorch() : resolve(libtorch as string) };
  await run("bash", ["scripts/build-native.sh"], { cwd: ROOT, env: { ...process.env, ...environment } });
  return environment;
}

/** The distribution's libtorch as a folder with include/ and lib/, of links. */
async function systemLibtorch(): Promise<string> {
  const folder = join(ROOT, "build", "system-libtorch");
  if (existsSync(folder)) return folder;
  const { stdout } = await run("/sbin/ldconfig", ["-p"]);
  const library = /=> (\S+\/libtorch_cpu\.so)\S*$/m.exec(stdout)?.[1];
  if (library === undefined) throw new Error("The system has no libtorch.");
  mkdirSync(join(folder, "include"), { recursive: true });
  for (const name of ["ATen", "c10", "caffe2", "torch"])
    symlinkSync(`/usr/include/${name}`, join(folder, "include", name));
  symlinkSync(dirname(library), join(folder, "lib"));
  return folder;
}

/** The same side in another environment. */
const inEnvironment = (side: Side, environment: Environment): Side => ({
  ...side,
  program: { ...side.program, environment },
});

export async function stepsOnLibtorch(context: Context, setting: Setting): Promise<Row[]> {
  const environment = await otherEnvironment(context);
  const rows: Row[] = [];
  for (const [what, choice] of Object.entries(CHOICES)) {
    const side = own(context, setting, { task: "train", ...choice });
    const sides = await compare({ side, other: inEnvironment(side, environment) }, effortFor(context, setting));
    rows.push(row(what, settingName(setting), sides.side, sides.other));
  }
  return rows;
}

export async function generationOnLibtorch(context: Context, name: LanguageModel): Promise<Row[]> {
  const environment = await otherEnvironment(context);
  const model = await randomModel(context.python, join(context.scratch, name), name);
  const effort = { ...context.effort, counts: 1, warmUps: 1 };
  const side = ours({ context, name, model, effort }, job(1, 32, 128));
  const sides = await compare({ side, other: inEnvironment(side, environment) }, effort);
  return [row("Generate 128 tokens", LANGUAGE_MODELS[name], sides.side, sides.other)];
}

export async function startOnLibtorch(context: Context): Promise<Row[]> {
  const environment = await otherEnvironment(context);
  const model = await startModel(context);
  const [own, other] = (await timedStarts(context, model, [{}, environment])) as [number[], number[]];
  return [
    {
      what: "Start to first training step",
      setting: "MiniLM, MRPC, LoRA",
      against: "on the other libtorch",
      goal: undefined,
      ...startRatio(own, other),
    },
  ];
}

function row(what: string, setting: string, ours: Measured, other: Measured): Row {
  const against = `on libtorch ${other.facts.libtorch} instead of ${ours.facts.libtorch}`;
  const figures = { ours: milliseconds(ours), theirs: milliseconds(other), ratio: ratio(other, ours) };
  return { what, against, setting, goal: undefined, ...figures };
}
