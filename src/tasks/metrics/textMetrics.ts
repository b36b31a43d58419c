/** Metrics of texts, each compared with all references of its example: those of `@bidora/text-metrics`, with errors of bidora's class. */
import * as texts from "@bidora/text-metrics";
import { BidoraError } from "../../base/index.js";
import { combineMetrics } from "./parts/combineMetrics.js";
import type { Metric } from "./parts/metric.js";

/** A metric of texts, each scored against all references of its example; `measure` throws METRIC_ROWS for an example without references. */
export type TextMetric<Measured = unknown> = Metric<readonly string[], string, Measured>;

/** `bleu` over all examples together, a fraction in [0, 1]. */
export const bleu = (): TextMetric<texts.BleuRow> => withOwnErrors(texts.bleu());

/** `nist` over all examples together, from 0, mostly below 15. */
export const nist = (): TextMetric<texts.NistRow> => withOwnErrors(texts.nist());

/** `meteor` over all examples together, a fraction in [0, 1]. @throws BidoraError `WORDNET_MISSING` from `measure`, without the package `wordnet` */
export const meteor = (): TextMetric<texts.MeteorRow> => withOwnErrors(texts.meteor());

/** `rougeL`, the mean over examples, a fraction in [0, 1]. */
export const rougeL = (): TextMetric<number> => withOwnErrors(texts.rougeL());

/** `cider`, the mean over examples, in [0, 10]. */
export const cider = (): TextMetric<texts.CiderRow> => withOwnErrors(texts.cider());

/** The metrics of the E2E NLG challenge (Dušek et al. 2020, section 4.1), each in the unit that its script prints. */
export const E2E_METRICS = [bleu, nist, meteor, rougeL, cider];

/** The five scores of the E2E NLG challenge: `bleu`, `nist`, `meteor`, `rougeL`, `cider`. */
export const textScores = (): TextMetric<readonly unknown[]> =>
  combineMetrics<readonly string[], string>(...E2E_METRICS.map((metric) => metric()));

/** Checks before a long computation that `textScores` can run. @throws BidoraError `WORDNET_MISSING` without the package `wordnet` */
export const requireTextScores = (): void => rethrowing(texts.requireWordnet);

const withOwnErrors = <Measured>(metric: texts.TextMetric<Measured>): TextMetric<Measured> => ({
  values: metric.values,
  measure: (...example) => rethrowing(() => metric.measure(...example)),
  result: (...examples) => rethrowing(() => metric.result(...examples)),
});

function rethrowing<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof texts.TextMetricError)) throw error;
    throw new BidoraError(error.code, error.message, { cause: error });
  }
}
