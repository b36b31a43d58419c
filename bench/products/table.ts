import { bestOf, type Cell, gigaflops } from "./cell.js";
import { programsWay } from "./programsWay.js";
import { WAYS, type Way } from "./ways.js";

/** One product's rates in GFLOP/s. */
export interface Rates extends Cell {
  readonly model: string;
  readonly ways: Readonly<Record<string, number>>;
  readonly best: string;
  /** The rate of the program's own choice. */
  readonly program: number;
  /** The program's rate over the fastest way's. */
  readonly share: number;
  /** For few rows: the time to read the weight's bytes, over the program's time. */
  readonly ofRead?: number;
}

export function ratesOf(model: string, cell: Cell, seconds: ReadonlyMap<Way, number>, read?: number): Rates {
  const libtorchs = new Map([...seconds].filter(([way]) => way !== programsWay));
  const best = bestOf(libtorchs);
  const own = seconds.get(programsWay) as number;
  const rates = [...libtorchs].map(([{ name }, least]) => [name, gigaflops(cell, least)] as const);
  return {
    model,
    ...cell,
    ways: Object.fromEntries(rates),
    best: best.way.name,
    program: gigaflops(cell, own),
    share: best.seconds / own,
    ...(read === undefined ? {} : { ofRead: read / own }),
  };
}

const COLUMNS = [...WAYS.map(({ name }) => name), programsWay.name];

function line(place: readonly string[], values: readonly string[]): string {
  const [weight = "", rows = ""] = place;
  return `${weight.padEnd(14)}${rows.padStart(6)}${values.map((value) => value.padStart(16)).join("")}`;
}

export function header({ model, dtype, direction }: Pick<Rates, "model" | "dtype" | "direction">): string {
  return `\n${model}, ${dtype}, ${direction}: GFLOP/s\n${line(["in → out", "n"], [...COLUMNS, "of the fastest", "of a read"])}`;
}

export function ratesLine({ from, to, rows, ways, best, program, share, ofRead }: Rates): string {
  const ofWay = ({ name }: Way) => {
    const rate = ways[name];
    return rate === undefined ? "" : `${rate.toFixed(0)}${name === best ? " *" : "  "}`;
  };
  const values = [...WAYS.map(ofWay), program.toFixed(0), share.toFixed(2), ofRead?.toFixed(2) ?? ""];
  return line([`${from} → ${to}`, String(rows)], values);
}

const weightName = ({ from, to, rows }: Rates) => `${from} → ${to}, n ${rows}`;

function worstOf(rates: readonly Rates[], share: (rates: Rates) => number): Rates {
  return rates.reduce((worst, one) => (share(one) < share(worst) ? one : worst));
}

/** For each way, its worst share of the fastest if it were used for all products of a class. */
function worstByWay(rates: readonly Rates[]): string {
  const everywhere = WAYS.filter(({ name }) => rates.every(({ ways }) => name in ways));
  const shares = everywhere.map(({ name }) => {
    const share = ({ ways, best }: Rates) => (ways[name] as number) / (ways[best] as number);
    return `${name} ${share(worstOf(rates, share)).toFixed(2)}`;
  });
  return shares.join(", ");
}

/** The lowest and highest speedup of one fused product over separate ones, each at its fastest. */
function atOnce(rates: readonly Rates[]): string {
  const speedups = rates.flatMap(({ parts, ...whole }) => {
    const apart = parts?.map((part) =>
      rates.find(({ from, to, rows }) => from === whole.from && to === part && rows === whole.rows),
    );
    if (!apart) return [];
    const seconds = (one: Rates | undefined) =>
      one ? (one.from * one.to * one.rows) / (one.ways[one.best] as number) : NaN;
    return apart.reduce((sum, one) => sum + seconds(one), 0) / seconds(whole);
  });
  return speedups.length
    ? `; fused weights ${Math.min(...speedups).toFixed(2)} to ${Math.max(...speedups).toFixed(2)} times as fast`
    : "";
}

/** The program's worst share in each class, one line each, and the worst overall. */
export function summary(rates: readonly Rates[]): string {
  const classOf = ({ model, dtype, direction }: Rates) => `${model}, ${dtype}, ${direction}`;
  const classes = [...new Set(rates.map(classOf))];
  const lines = classes.map((name) => {
    const members = rates.filter((one) => classOf(one) === name);
    const worst = worstOf(members, ({ share }) => share);
    const mean = members.reduce((sum, { share }) => sum + share, 0) / members.length;
    return `${name}: the program reaches at least ${worst.share.toFixed(2)} of the fastest (${weightName(worst)}), ${mean.toFixed(2)} on average; one way for all: ${worstByWay(members)}${atOnce(members)}`;
  });
  const worst = worstOf(rates, ({ share }) => share);
  const place = `${worst.model}, ${worst.dtype}, ${worst.direction}, ${weightName(worst)}`;
  return [...lines, `Worst share: ${worst.share.toFixed(2)} (${place})`].join("\n");
}
