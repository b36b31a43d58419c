// Training steps on batches of one length: the first rows of the table.
import { compare, faster, type Measured, ratio } from "../compare.js";
import { type Context, effortFor, own, peft, published, type Setting, settingName } from "../context.js";
import { type Goal, mebibytes, milliseconds, type Row, single } from "../rows.js";

const isSmall = ({ shape }: Setting) => shape.rows === 16;

function speed(
  what: string,
  setting: Setting,
  goal: Goal | undefined,
  sides: { ours: Measured; theirs: Measured; against: string },
): Row {
  const { ours, theirs, against } = sides;
  const place = { what, setting: settingName(setting), against, goal };
  return { ...place, ratio: ratio(theirs, ours), ours: milliseconds(ours), theirs: milliseconds(theirs) };
}

function cost(
  what: string,
  setting: Setting,
  atMost: number,
  sides: { ours: Measured; base: Measured; against: string },
): Row {
  const { ours, base, against } = sides;
  const place = { what, setting: settingName(setting), against, goal: { atMost } };
  return { ...place, ratio: ratio(ours, base), ours: milliseconds(ours), theirs: milliseconds(base) };
}

function memory(what: string, setting: Setting, ours: Measured, theirs: Measured): Row {
  const place = { what, setting: settingName(setting), against: "PEFT, bfloat16 autocast", goal: { atMost: 0.6 } };
  return {
    ...place,
    ratio: single(ours.memory.peakMiB / theirs.memory.peakMiB),
    ours: mebibytes(ours),
    theirs: mebibytes(theirs),
  };
}

export async function lora(context: Context, setting: Setting): Promise<Row[]> {
  const sides = await compare(
    {
      autocast: peft(context, setting, { task: "train", method: "lora", precision: "bfloat16-autocast" }),
      weights: peft(context, setting, { task: "train", method: "lora", precision: "bfloat16-weights" }),
      float32: peft(context, setting, { task: "train", method: "lora", precision: "float32" }),
      ours: own(context, setting, { task: "train", method: "lora", precision: "bfloat16" }),
      products: own(context, setting, { task: "products", method: "lora", precision: "bfloat16" }),
    },
    effortFor(context, setting),
  );
  const { autocast, weights, float32, ours, products } = sides;
  const best = faster(autocast, float32);
  const against = best === float32 ? "PEFT, float32" : "PEFT, bfloat16 autocast";
  const rows = [
    speed("LoRA step", setting, { atLeast: 2 }, { ours, theirs: best, against }),
    speed("LoRA step", setting, undefined, { ours, theirs: weights, against: "PEFT, bfloat16 weights" }),
    cost("LoRA step", setting, 1.5, { ours, base: products, against: "its matrix products alone" }),
  ];
  return isSmall(setting) ? [...rows, memory("LoRA, peak memory", setting, ours, autocast)] : rows;
}

export async function dora(context: Context, setting: Setting): Promise<Row[]> {
  const sides = await compare(
    {
      autocast: peft(context, setting, { task: "train", method: "dora", precision: "bfloat16-autocast" }),
      float32: peft(context, setting, { task: "train", method: "dora", precision: "float32" }),
      ours: own(context, setting, { task: "train", method: "dora", precision: "bfloat16" }),
      lora: own(context, setting, { task: "train", method: "lora", precision: "bfloat16" }),
    },
    effortFor(context, setting),
  );
  const { autocast, float32, ours, lora } = sides;
  const best = faster(autocast, float32);
  const against = best === float32 ? "PEFT's DoRA, float32" : "PEFT's DoRA, bfloat16 autocast";
  const rows = [
    speed(
      "DoRA step",
      setting,
      { atLeast: setting.targets === "all-linear" ? 4 : 2.3 },
      { ours, theirs: best, against },
    ),
    cost("DoRA step", setting, 1.08, { ours, base: lora, against: "our LoRA step" }),
  ];
  return isSmall(setting) ? [...rows, memory("DoRA, peak memory", setting, ours, autocast)] : rows;
}

export async function bidora(context: Context, setting: Setting): Promise<Row[]> {
  const search = { task: "train", method: "bidora", precision: "bfloat16" } as const;
  const sides = await compare(
    {
      published: published(context, setting),
      forward: own(context, setting, { ...search, hypergradient: "forward-difference" }),
      exact: own(context, setting, { ...search, hypergradient: "exact" }),
      lora: own(context, setting, { task: "train", method: "lora", precision: "bfloat16" }),
    },
    { ...effortFor(context, setting), counts: 1 },
  );
  const { forward, exact, lora } = sides;
  const goal = { atLeast: setting.targets === "all-linear" ? 10 : 6 };
  const peer = { theirs: sides.published, against: "the published algorithm, float32" };
  return [
    speed("BiDoRA search step, forward-difference", setting, goal, { ours: forward, ...peer }),
    speed("BiDoRA search step, exact", setting, goal, { ours: exact, ...peer }),
    cost("BiDoRA search step, forward-difference", setting, 3.2, {
      ours: forward,
      base: lora,
      against: "our LoRA step",
    }),
    cost("BiDoRA search step, exact", setting, 4, { ours: exact, base: lora, against: "our LoRA step" }),
  ];
}

export async function float32(context: Context, setting: Setting): Promise<Row[]> {
  const sides = await compare(
    {
      peftLora: peft(context, setting, { task: "train", method: "lora", precision: "float32" }),
      peftDora: peft(context, setting, { task: "train", method: "dora", precision: "float32" }),
      lora: own(context, setting, { task: "train", method: "lora", precision: "float32" }),
      dora: own(context, setting, { task: "train", method: "dora", precision: "float32" }),
    },
    effortFor(context, setting),
  );
  const against = "PEFT, float32";
  return [
    speed("LoRA step in float32", setting, { atLeast: 1.15 }, { ours: sides.lora, theirs: sides.peftLora, against }),
    speed("DoRA step in float32", setting, { atLeast: 1.4 }, { ours: sides.dora, theirs: sides.peftDora, against }),
  ];
}
