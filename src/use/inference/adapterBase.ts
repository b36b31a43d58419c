/** How a base model's matrices are held under an adapter that was trained on packed ones. */

import { BidoraError, UsageError } from "../../base/index.js";
import type { SavedAdapter } from "../../models/adapters/index.js";
import { DENSE, type MatrixFormats } from "../../models/index.js";
import { type BaseDtype, isPacked } from "../../models/nn/index.js";

/**
 * The base's format with an adapter: the one asked for, or that of an adapter started by LoftQ, whose updates make up for its rounding.
 * @throws UsageError for another format than such an adapter's; BidoraError `SIDE_FILE` if it does not name its own
 */
export function baseDtypeFor(adapter: SavedAdapter | undefined, asked: BaseDtype | undefined): BaseDtype | undefined {
  const { baseDtype: own, initLoraWeights } = adapter?.metadata ?? {};
  if (initLoraWeights !== "loftq") return asked;
  if (!isPacked(own))
    throw new BidoraError("SIDE_FILE", `bidora.json says that LoftQ started the adapter, but its baseDtype is ${own}.`);
  if (asked === undefined || asked === own) return own;
  throw new UsageError(
    `--base-dtype ${asked} does not fit the adapter, which LoftQ started on a base packed as ${own}: leave the flag out.`,
  );
}

const LOFTQ_BASE =
  "The adapter was trained in PEFT on a base that LoftQ had quantized: give that quantized base as the model, because on the original one results differ.";

/** A sentence if the base's matrices are, or may be, in other formats than in the adapter's training. @param now how they are */
export function noteOnBase(adapter: SavedAdapter | undefined, now: MatrixFormats): string | undefined {
  if (adapter?.loftqConfig) return LOFTQ_BASE;
  if (!adapter?.metadata) return undefined;
  const { baseFormats: then, baseDtype } = adapter.metadata;
  const [are, differ] = [`matrices are ${inWords(now)}`, "results differ a little from the run's."];
  if (then) {
    if (inWords(then) === inWords(now)) return undefined;
    return `The adapter was trained on a base whose matrices are ${inWords(then)}, and is used on one whose ${are}: ${differ}`;
  }
  if (isPacked(baseDtype)) {
    if (now[baseDtype]) return undefined;
    return `The adapter was trained with --base-dtype ${baseDtype}, and is used on a base whose ${are}: ${differ}`;
  }
  if (Object.keys(now).every((format) => format === DENSE)) return undefined;
  return `The base's ${are}, and bidora.json does not say what they were when the adapter was trained: if they were in another format, ${differ}`;
}

/** As in "q4_k (180), q6_k (31)", the most frequent first. */
export const inWords = (formats: MatrixFormats): string =>
  Object.entries(formats)
    .sort(([a, counted], [b, other]) => other - counted || (a < b ? -1 : 1))
    .map(([format, count]) => `${format} (${count})`)
    .join(", ");
