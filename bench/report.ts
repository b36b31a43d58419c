import { hasAmx } from "./goals.js";
import type { Machine } from "./machine.js";
import { type Goal, isMet, type Row } from "./rows.js";
import type { Effort } from "./turns/compare.js";

export interface Results {
  readonly machine: Machine;
  readonly threads: number;
  readonly device?: string | undefined;
  readonly effort: Effort;
  readonly quick: boolean;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

/** The results as a Markdown page. */
export function markdown(results: Results): string {
  return [...facts(results), "", ...table(results.rows), ""].join("\n");
}

function facts({ machine, threads, device, effort, quick, versions }: Results): string[] {
  const { processor, cores, memoryGiB, system, bfloat16, loadAverage, unpinned } = machine;
  const clock = effort.clock === "cpu" ? "processor time" : "wall time";
  return [
    `- Machine: ${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}; bfloat16 products in hardware: ${bfloat16}; load average at the start ${loadAverage}`,
    `- Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}`,
    `- ${threads} threads per side, ${clock}, ${effort.rounds} rounds of ${effort.counts} in turns; ratios are the median over the rounds (lowest to highest)${quick ? "; quick mode: an impression, not a result" : ""}`,
    device
      ? `- Both sides compute on ${device}`
      : `- Goals are for processors ${hasAmx(machine) ? "with" : "without"} AMX`,
    ...(unpinned.length ? [`- Removed from the environment for all sides: ${unpinned.join(", ")}`] : []),
  ];
}

const HEADER = ["What", "Setting", "Against", "Ours", "Theirs", "Ratio", "Goal", "Met"];

function table(rows: readonly Row[]): string[] {
  return [line(HEADER), line(HEADER.map(() => "---")), ...tableLines(rows)];
}

/** The table's rows, without its header. */
export function tableLines(rows: readonly Row[]): string[] {
  return rows.map((row) =>
    line([row.what, row.setting, row.against, row.ours, row.theirs, ratioText(row), goalText(row.goal), met(row)]),
  );
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function ratioText({ ratio }: Row): string {
  if (!ratio) return "";
  const { median, low, high } = ratio;
  const digits = median < 0.1 ? 3 : 2;
  const spread = low === high ? "" : ` (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
  return `${median.toFixed(digits)}${spread}`;
}

function goalText(goal: Goal | undefined): string {
  if (!goal) return "";
  return "atLeast" in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`;
}

function met(row: Row): string {
  const result = isMet(row);
  return result === undefined ? "" : result ? "yes" : "no";
}
