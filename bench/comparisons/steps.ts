// Training steps on batches of one length: the first rows of the table.
import { compare, faster, type Measured, ratio } from "../compare.js";
import { before, type Context, effortFor, own, peft, published, type Setting, settingName } from "../context.js";
import type { PeerPrecision } from "../protocol.js";
import { type Goal, mebibytes, milliseconds, type Row, single } from "../rows.js";

type Place = Pick<Row, "what" | "against"> & { readonly setting: Setting; readonly goal?: Goal };

/** Our time against theirs: how many times as fast we are. */
function speed({ setting, goal, ...place }: Place, ours: Measured, theirs: Measured): Row {
  const figures = { ours: milliseconds(ours), theirs: milliseconds(theirs) };
  return { ...place, ...figures, setting: settingName(setting), goal, ratio: ratio(theirs, ours) };
}

/** Our time as a multiple of a base's. */
function cost({ setting, goal, ...place }: Place, ours: Measured, base: Measured): Row {
  const figures = { ours: milliseconds(ours), theirs: milliseconds(base) };
  return { ...place, ...figures, setting: settingName(setting), goal, ratio: ratio(ours, base) };
}

function memory({ setting, goal, ...place }: Place, ours: Measured, theirs: Measured): Row {
  const figures = { ours: mebibytes(ours), theirs: mebibytes(theirs) };
  const share = ours.memory.peakMiB / theirs.memory.peakMiB;
  return { ...place, ...figures, setting: settingName(setting), goal, ratio: single(share) };
}

/** PEFT in each of its precisions. */
function peftSides(context: Context, setting: Setting, method: "lora" | "dora") {
  const side = (precision: PeerPrecision) => peft(context, setting, { task: "train", method, precision });
  return { autocast: side("bfloat16-autocast"), weights: side("bfloat16-weights"), float32: side("float32") };
}

type PeftMeasured = Readonly<Record<keyof ReturnType<typeof peftSides>, Measured>>;

/** The goal's row, against the fastest; and one against autocast, which PEFT's users take first, where that is another. */
function peftRows(place: Omit<Place, "against">, ours: Measured, { autocast, weights, float32 }: PeftMeasured): Row[] {
  const { goal, ...rest } = place;
  const best = faster(autocast, weights, float32);
  const name = best === autocast ? "bfloat16 autocast" : best === weights ? "bfloat16 weights" : "float32";
  const fastest = speed({ ...rest, against: `PEFT at its fastest: ${name}`, ...(goal && { goal }) }, ours, best);
  return best === autocast
    ? [fastest]
    : [fastest, speed({ ...rest, against: "PEFT, bfloat16 autocast" }, ours, autocast)];
}

const BEFORE = "the build before";

/** Our choice in this build and, with `--before`, in the other. */
function bothBuilds(context: Context, setting: Setting, choice: Parameters<typeof own>[2]) {
  const ours = own(context, setting, choice);
  const other = before(context, ours);
  return { ours, ...(other && { before: other }) };
}

export async function lora(context: Context, setting: Setting): Promise<Row[]> {
  const { goals, tell } = context;
  const choice = { method: "lora", precision: "bfloat16" } as const;
  const sides = await compare(
    {
      ...peftSides(context, setting, "lora"),
      ...bothBuilds(context, setting, { task: "train", ...choice }),
      limit: own(context, setting, { task: "limit", ...choice }),
    },
    effortFor(context, setting),
  );
  const { ours, limit } = sides;
  for (const [product, way] of Object.entries(limit.facts)) if (product.includes("→")) tell(`  ${product}: ${way}`);
  const place = { what: "LoRA step", setting };
  const peak = { what: "LoRA, peak memory", setting };
  return [
    ...peftRows({ ...place, goal: goals.peft.lora }, ours, sides),
    cost({ ...place, against: "the limit: frozen products, the best way each", goal: goals.limit }, ours, limit),
    ...(sides.before ? [speed({ ...place, against: BEFORE, goal: goals.before.lora }, ours, sides.before)] : []),
    memory({ ...peak, against: "PEFT, bfloat16 weights", goal: goals.memory.peft }, ours, sides.weights),
    ...(sides.before ? [memory({ ...peak, against: BEFORE, goal: goals.before.memory }, ours, sides.before)] : []),
  ];
}

export async function dora(context: Context, setting: Setting): Promise<Row[]> {
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
  const place = { what: "DoRA step", setting };
  const peak = { what: "DoRA, peak memory", setting };
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
  const { goals } = context;
  const search = { task: "train", method: "bidora", precision: "bfloat16" } as const;
  const forward = bothBuilds(context, setting, { ...search, hypergradient: "forward-difference" });
  const exact = bothBuilds(context, setting, { ...search, hypergradient: "exact" });
  const sides = await compare(
    {
      published: published(context, setting),
      forward: forward.ours,
      exact: exact.ours,
      lora: own(context, setting, { task: "train", method: "lora", precision: "bfloat16" }),
      ...(forward.before && { forwardBefore: forward.before }),
      ...(exact.before && { exactBefore: exact.before }),
    },
    { ...effortFor(context, setting), counts: 1 },
  );
  const forwardPlace = { what: "BiDoRA step, forward-difference", setting };
  const exactPlace = { what: "BiDoRA step, exact", setting };
  const peers = setting.targets === "all-linear" ? goals.published.allLinear : goals.published.queryValue;
  const theirs = { against: "the published algorithm, float32", goal: peers };
  const base = "our LoRA step";
  const { forwardBefore, exactBefore } = sides;
  return [
    speed({ ...forwardPlace, ...theirs }, sides.forward, sides.published),
    speed({ ...exactPlace, ...theirs }, sides.exact, sides.published),
    cost({ ...forwardPlace, against: base, goal: goals.cost.forwardDifference }, sides.forward, sides.lora),
    cost({ ...exactPlace, against: base, goal: goals.cost.exact }, sides.exact, sides.lora),
    ...(forwardBefore ? sinceBefore(context, forwardPlace, sides.forward, forwardBefore) : []),
    ...(exactBefore ? sinceBefore(context, exactPlace, sides.exact, exactBefore) : []),
    memory(
      { what: "BiDoRA, exact, peak memory", setting, against: "by forward-difference", goal: goals.memory.exact },
      sides.exact,
      sides.forward,
    ),
  ];
}

function sinceBefore({ goals }: Context, place: Omit<Place, "against">, ours: Measured, theirs: Measured): Row[] {
  return [
    speed({ ...place, against: BEFORE, goal: goals.before.others }, ours, theirs),
    memory({ ...place, what: `${place.what}: peak memory`, against: BEFORE, goal: goals.before.memory }, ours, theirs),
  ];
}

export async function float32(context: Context, setting: Setting): Promise<Row[]> {
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
  const loraPlace = { what: "LoRA step in float32", setting };
  const doraPlace = { what: "DoRA step in float32", setting };
  const { loraBefore, doraBefore } = sides;
  return [
    speed({ ...loraPlace, against: "PEFT, float32", goal: { atLeast: 1.15 } }, sides.lora, sides.peftLora),
    speed({ ...doraPlace, against: "PEFT, float32", goal: { atLeast: 1.4 } }, sides.dora, sides.peftDora),
    ...(loraBefore ? [speed({ ...loraPlace, against: BEFORE, goal }, sides.lora, loraBefore)] : []),
    ...(doraBefore ? [speed({ ...doraPlace, against: BEFORE, goal }, sides.dora, doraBefore)] : []),
  ];
}
