// bidora on the current libtorch and on another one, in turns.
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { type Context, effortFor, own, type Setting, settingName } from "../context.js";
import { ROOT } from "../programs.js";
import { milliseconds, type Row } from "../rows.js";
import { compare, type Measured, ratio, type Side } from "../turns/compare.js";
import type { OwnSpec } from "../turns/protocol.js";

type Choice = Pick<OwnSpec, "method" | "precision" | "hypergradient">;

const CHOICES: Readonly<Record<string, Choice>> = {
  "LoRA step": { method: "lora", precision: "bfloat16" },
  "LoRA step in float32": { method: "lora", precision: "float32" },
  "BiDoRA step, exact": { method: "bidora", precision: "bfloat16", hypergradient: "exact" },
};

/** Builds the addon for the other libtorch unless it exists. */
export async function otherLibtorch(context: Context, setting: Setting): Promise<Row[]> {
  const folder = resolve(context.libtorch as string);
  const environment = { LIBTORCH: folder };
  await promisify(execFile)("bash", ["scripts/build-native.sh"], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
  });
  const rows: Row[] = [];
  for (const [what, choice] of Object.entries(CHOICES)) {
    const ours = own(context, setting, { task: "train", ...choice });
    const other: Side = { ...ours, program: { ...ours.program, environment } };
    const sides = await compare({ ours, other }, effortFor(context, setting));
    rows.push(row(what, setting, sides.ours, sides.other));
  }
  return rows;
}

function row(what: string, setting: Setting, ours: Measured, other: Measured): Row {
  const against = `on libtorch ${other.facts.libtorch ?? "of --libtorch"}`;
  const figures = { ours: milliseconds(ours), theirs: milliseconds(other), ratio: ratio(other, ours) };
  return { what, against, setting: settingName(setting), goal: undefined, ...figures };
}
