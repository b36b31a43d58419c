// Training steps on batches without padding: the first rows of the table.

import { type Context, effortFor, own, peft, published, type Setting, settingName } from "../context.js";
import type { Row } from "../rows.js";
import { compare } from "../turns/compare.js";
import { BEFORE, bothBuilds, cost, memory, peftRows, peftSides, sinceBefore, speed } from "./stepRows.js";

export async function lora(context: Context, setting: Setting): Promise<Row[]> {
  const name = settingName(setting);
  const { goals, tell, device } = context;
  const choice = { method: "lora", precision: "bfloat16" } as const;
  const sides = await compare(
    {
      ...peftSides(context, setting, "lora"),
      ...bothBuilds(context, setting, { task: "train", ...choice }),
      ...(device === undefined && { limit: own(context, setting, { task: "limit", ...choice }) }),
    },
    effortFor(context, setting),
  );
  const { ours, limit } = sides;
  for (const [product, way] of Object.entries(limit?.facts ?? {}))
    if (product.includes("→")) tell(`  ${product}: ${way}`);
  const place = { what: "LoRA step", setting: name };
  const peak = { what: "LoRA, peak memory", setting: name };
  return [
    ...peftRows({ ...place, goal: goals.peft.lora }, ours, sides),
    ...(limit
      ? [cost({ ...place, against: "the limit: frozen products, each at its fastest", goal: goals.limit }, ours, limit)]
      : []),
    ...(sides.before ? [speed({ ...place, against: BEFORE, goal: goals.before.lora }, ours, sides.before)] : []),
    memory({ ...peak, against: "PEFT, bfloat16 weights", goal: goals.memory.peft }, ours, sides.weights),
    ...(sides.before ? [memory({ ...peak, against: BEFORE, goal: goals.before.memory }, ours, sides.before)] : []),
  ];
}

export async function dora(context: Context, setting: Setting): Promise<Row[]> {
  const name = settingName(setting);
  const { goals } = context;
  const choice = { task: "train", precision: "bfloat16" } as const;
  const sides = await compare(
    {
      ...peftSides(context, setting, "dora"),
      ...bothBuilds(context, setting, { method: "dora", ...choice }),
      lora: own(context, setting, { method: "lora", ...choice }),
    },
    effortFor(context, setting),
  );
  const { ours, lora } = sides;
  const place = { what: "DoRA step", setting: name };
  const peak = { what: "DoRA, peak memory", setting: name };
  const goal = setting.targets === "all-linear" ? goals.peft.doraAllLinear : goals.peft.dora;
  return [
    ...peftRows({ ...place, goal }, ours, sides),
    cost({ ...place, against: "our LoRA step", goal: goals.cost.dora }, ours, lora),
    ...(sides.before ? [speed({ ...place, against: BEFORE, goal: goals.before.others }, ours, sides.before)] : []),
    memory({ ...peak, against: "PEFT, bfloat16 weights", goal: goals.memory.peft }, ours, sides.weights),
    ...(sides.before ? [memory({ ...peak, against: BEFORE, goal: goals.before.memory }, ours, sides.before)] : []),
  ];
}

export async function bidora(context: Context, setting: Setting): Promise<Row[]> {
  const name = settingName(setting);
  const { goals, device } = context;
  const search = { task: "train", method: "bidora", precision: "bfloat16" } as const;
  const forward = bothBuilds(context, setting, { ...search, hypergradient: "forward-difference" });
  const exact = bothBuilds(context, setting, { ...search, hypergradient: "exact" });
  const sides = await compare(
    {
      ...(device === undefined && { published: published(context, setting) }),
      forward: forward.ours,
      exact: exact.ours,
      lora: own(context, setting, { task: "train", method: "lora", precision: "bfloat16" }),
      ...(forward.before && { forwardBefore: forward.before }),
      ...(exact.before && { exactBefore: exact.before }),
    },
    { ...effortFor(context, setting), counts: 1 },
  );
  const forwardPlace = { what: "BiDoRA step, forward-difference", setting: name };
  const exactPlace = { what: "BiDoRA step, exact", setting: name };
  const peers = setting.targets === "all-linear" ? goals.published.allLinear : goals.published.queryValue;
  const theirs = { against: "the published algorithm, float32", goal: peers };
  const base = "our LoRA step";
  const { forwardBefore, exactBefore, published: peer } = sides;
  return [
    ...(peer ? [speed({ ...forwardPlace, ...theirs }, sides.forward, peer)] : []),
    ...(peer ? [speed({ ...exactPlace, ...theirs }, sides.exact, peer)] : []),
    cost({ ...forwardPlace, against: base, goal: goals.cost.forwardDifference }, sides.forward, sides.lora),
    cost({ ...exactPlace, against: base, goal: goals.cost.exact }, sides.exact, sides.lora),
    ...(forwardBefore ? sinceBefore(context, forwardPlace, sides.forward, forwardBefore) : []),
    ...(exactBefore ? sinceBefore(context, exactPlace, sides.exact, exactBefore) : []),
    memory(
      { what: "BiDoRA, exact, peak memory", setting: name, against: "forward-difference", goal: goals.memory.exact },
      sides.exact,
      sides.forward,
    ),
  ];
}

export async function float32(context: Context, setting: Setting): Promise<Row[]> {
  const name = settingName(setting);
  const choice = { task: "train", precision: "float32" } as const;
  const lora = bothBuilds(context, setting, { method: "lora", ...choice });
  const dora = bothBuilds(context, setting, { method: "dora", ...choice });
  const sides = await compare(
    {
      peftLora: peft(context, setting, { method: "lora", ...choice }),
      peftDora: peft(context, setting, { method: "dora", ...choice }),
      lora: lora.ours,
      dora: dora.ours,
      ...(lora.before && { loraBefore: lora.before }),
      ...(dora.before && { doraBefore: dora.before }),
    },
    effortFor(context, setting),
  );
  const goal = context.goals.before.others;
  const loraPlace = { what: "LoRA step in float32", setting: name };
  const doraPlace = { what: "DoRA step in float32", setting: name };
  const { loraBefore, doraBefore } = sides;
  return [
    speed({ ...loraPlace, against: "PEFT, float32", goal: { atLeast: 1.15 } }, sides.lora, sides.peftLora),
    speed({ ...doraPlace, against: "PEFT, float32", goal: { atLeast: 1.4 } }, sides.dora, sides.peftDora),
    ...(loraBefore ? [speed({ ...loraPlace, against: BEFORE, goal }, sides.lora, loraBefore)] : []),
    ...(doraBefore ? [speed({ ...doraPlace, against: BEFORE, goal }, sides.dora, doraBefore)] : []),
  ];
}
