// One product with a packed weight, compared with a dense one and with reading memory.
import type { Context } from "../../context.js";
import { hasAmx } from "../../goals.js";
import { coldBytes } from "../../products/coldBytes.js";
import { FEW_ROWS, type WeightShape } from "../../products/shapes.js";
import { ownWorker } from "../../programs.js";
import type { Row } from "../../rows.js";
import { compareParts, type Measured, median, ratio, ratioBy, type Side } from "../../turns/compare.js";
import type { ProductCount } from "../../turns/protocol.js";
import { packedEffort } from "./effort.js";

/** w8a8 needs a processor with AMX. */
const formatsOf = ({ machine }: Context) => ["nf4", "int8", "q8_0", "q4_k", ...(hasAmx(machine) ? ["w8a8"] : [])];
const ROWS = [1, 4, 16, 256, 1024];
/** From so many rows on, decoding should hardly count. */
const MANY_ROWS = 256;

/** Weights of TinyLlama 1.1B; quick mode takes only the first. */
const WEIGHTS: readonly WeightShape[] = [
  { from: 2048, to: 5632 },
  { from: 5632, to: 2048 },
];

export const productShapesOf = ({ quick }: Context): readonly WeightShape[] => (quick ? WEIGHTS.slice(0, 1) : WEIGHTS);

export const shapeName = ({ from, to }: WeightShape): string => `${from} → ${to}`;

/** Operations of a count: enough to time it. */
const OPERATIONS = 2e11;

function countOf({ from, to }: WeightShape, rows: number): ProductCount {
  const fitting = Math.ceil(OPERATIONS / (2 * rows * from * to));
  return { rows, products: Math.min(Math.max(fitting, 4), 64) };
}

export async function packedProducts(context: Context, shape: WeightShape): Promise<Row[]> {
  const { threads } = context;
  const bytes = coldBytes();
  const counts = ROWS.map((rows) => countOf(shape, rows));
  const side = (format: string): Side => ({
    program: ownWorker(),
    spec: { task: "product", format, from: shape.from, to: shape.to, counts, bytes, threads },
  });
  const { read, dense, ...packed } = await compareParts<string>(
    {
      read: { program: ownWorker(), spec: { task: "read", bytes, threads } },
      dense: side("bfloat16"),
      ...Object.fromEntries(formatsOf(context).map((format) => [format, side(format)])),
    },
    packedEffort(context),
    counts.length,
  );
  return counts.flatMap((count, i) => {
    const at = { context, shape, count, dense: dense?.[i] as Measured, read: read?.[i] as Measured };
    const products = Object.entries(packed).map(([format, parts]) => ({ ...at, format, ours: parts[i] as Measured }));
    return [
      ...products.map(besideDense),
      ...(count.rows > FEW_ROWS ? [] : [{ ...at, format: "bfloat16", ours: at.dense }, ...products].map(besideRead)),
    ];
  });
}

/** Some products in one format, and what they are compared with. */
interface Products {
  readonly context: Context;
  readonly shape: WeightShape;
  readonly count: ProductCount;
  readonly format: string;
  readonly ours: Measured;
  readonly dense: Measured;
  readonly read: Measured;
}

const settingOf = ({ shape, count }: Products): string =>
  `${shapeName(shape)}, ${count.rows} ${count.rows === 1 ? "row" : "rows"}`;

function besideDense(products: Products): Row {
  const { context, count, format, ours, dense } = products;
  const time = ({ rounds }: Measured) => `${((median(rounds) / count.products) * 1000).toFixed(3)} ms`;
  return {
    what: `Product, ${format}`,
    setting: settingOf(products),
    against: "a dense bfloat16 weight",
    goal: count.rows >= MANY_ROWS ? context.goals.packed.product : undefined,
    ratio: ratio(ours, dense),
    ours: time(ours),
    theirs: time(dense),
  };
}

function besideRead(products: Products): Row {
  const { context, count, format, ours, read } = products;
  const bytes = count.products * (ours.facts.bytes as number);
  const whole = read.facts.bytes as number;
  const rate = (bytes: number, { rounds }: Measured) => `${(bytes / median(rounds) / 1e9).toFixed(1)} GB/s`;
  return {
    what: `Weights read, ${format}`,
    setting: settingOf(products),
    against: "memory read and summed",
    goal: format === "bfloat16" ? undefined : context.goals.packed.read,
    ratio: ratioBy(ours, read, (multiplying, reading) => bytes / multiplying / (whole / reading)),
    ours: rate(bytes, ours),
    theirs: rate(whole, read),
  };
}
