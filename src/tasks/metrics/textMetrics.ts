/** Metrics of texts, each compared with all references of its row: those of `@bidora/text-metrics`, with errors of bidora's class. */
import * as texts from "@bidora/text-metrics";
import { BidoraError } from "../../base/index.js";
import { combineMetrics } from "./combineMetrics.js";
import type { Metric } from "./metric.js";

/** A metric of texts, each scored against all references of its row; `measure` throws METRIC_ROWS for a row without references. */
export type TextMetric<Measured = unknown> = Metric<readonly string[], string, Measured>;

/** `bleu` over all rows together, a fraction in [0, 1]. */
export const bleu = (): TextMetric<texts.BleuRow> => withOwnErrors(texts.bleu());

/** `nist` over all rows together, from 0, mostly below 15. */
export const nist = (): TextMetric<texts.NistRow> => withOwnErrors(texts.nist());

/** `meteor` over all rows together, a fraction in [0, 1]. @throws BidoraError `WORDNET_MISSING` from `measure`, without the package `wordnet` */
export const meteor = (): TextMetric<texts.MeteorRow> => withOwnErrors(texts.meteor());

/** `rougeL`, the mean over rows, a fraction in [0, 1]. */
export const rougeL = (): TextMetric<number> => withOwnErrors(texts.rougeL());

/** `cider`, the mean over rows, in [0, 10]. */
export const cider = (): TextMetric<texts.CiderRow> => withOwnErrors(texts.cider());

/**
 * The five scores of the E2E NLG challenge (Dušek et al. 2020, section 4.1), each in the unit that its script prints: `bleu`,
 * `nist`, `meteor`, `rougeL`, `cider`.
 */
export function textScores(): TextMetric<readonly unknown[]> {
  return combineMetrics<readonly string[], string>(bleu(), nist(), meteor(), rougeL(), cider());
}

/** Checks before a long computation that `textScores` can run. @throws BidoraError `WORDNET_MISSING` without the package `wordnet` */
export const requireTextScores = (): void => rethrowing(texts.requireWordnet);

const withOwnErrors = <Measured>(metric: texts.TextMetric<Measured>): TextMetric<Measured> => ({
  values: metric.values,
  measure: (...row) => rethrowing(() => metric.measure(...row)),
  result: (...rows) => rethrowing(() => metric.result(...rows)),
});

function rethrowing<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof texts.TextMetricError)) throw error;
    throw new BidoraError(error.code, error.message, { cause: error });
  }
}
