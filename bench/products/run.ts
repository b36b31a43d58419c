import * as torch from "../../src/torch/index.js";
import { type Cell, timeRead, timeWays } from "./cell.js";
import { programsWay } from "./programsWay.js";
import { FEW_ROWS, OUTPUTS, WEIGHTS, type WeightShape } from "./shapes.js";
import { header, type Rates, ratesLine, ratesOf, summary } from "./table.js";
import type { TimingOptions } from "./turns.js";
import { DIRECTIONS, WAYS } from "./ways.js";

export interface Choice {
  /** Names in WEIGHTS. */
  readonly models: readonly string[];
  readonly rows: readonly number[];
  readonly types: readonly Cell["dtype"][];
  readonly threads: number;
  readonly timing: TimingOptions;
}

/** Times every chosen product, printing its rates as they are measured and then a summary. */
export function measureProducts(choice: Choice, print: (line: string) => void): Rates[] {
  torch.setThreads(choice.threads);
  const { torchVersion, onednnVersion, threads } = torch.engineFacts();
  print(`libtorch ${torchVersion}, oneDNN ${onednnVersion || "missing"}, ${threads} threads; * marks the fastest way`);
  const rates = choice.models.flatMap((model) =>
    choice.types.flatMap((dtype) =>
      DIRECTIONS.flatMap((direction) => {
        print(header({ model, dtype, direction }));
        return cellsOf(model, dtype, direction, choice.rows).map((cell) => {
          const seconds = timeWays(cell, [...WAYS, programsWay], choice.timing);
          const one = ratesOf(model, cell, seconds, timeRead(cell, choice.timing));
          print(ratesLine(one));
          return one;
        });
      }),
    ),
  );
  print(`\n${summary(rates)}`);
  return rates;
}

/** The products of one table: a model's weights in one dtype and direction. */
function cellsOf(model: string, dtype: Cell["dtype"], direction: Cell["direction"], counts: readonly number[]): Cell[] {
  const weights = WEIGHTS[model];
  if (!weights) throw new Error(`--models takes ${Object.keys(WEIGHTS).join(", ")}; got ${model}.`);
  const output = OUTPUTS[model];
  const few = output && direction === "forward" ? counts.filter((rows) => rows <= FEW_ROWS) : [];
  return [
    ...weights.flatMap((weight) => counts.map((rows) => ({ ...weight, rows, dtype, direction }))),
    ...few.map((rows) => ({ ...(output as WeightShape), rows, dtype, direction })),
  ];
}
