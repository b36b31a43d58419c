/** How a base model's matrices are held under an adapter that was trained on packed ones. */

import type { SavedAdapter } from "../adapters/index.js";
import { BidoraError, UsageError } from "../common/errors.js";
import { type BaseDtype, isPacked } from "../nn/index.js";

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

/** A sentence if the base is, or may be, another than in the adapter's training. */
export function noteOnBase(adapter: SavedAdapter | undefined, baseDtype: BaseDtype | undefined): string | undefined {
  if (adapter?.loftqConfig) return LOFTQ_BASE;
  if (!adapter?.metadata) return undefined;
  const [then, now] = [adapter.metadata.baseDtype, baseDtype].map((dtype) => (isPacked(dtype) ? dtype : undefined));
  if (then === now) return undefined;
  return `The adapter was trained ${withFlag(then)}, and is used ${withFlag(now)}: results differ a little from the run's.`;
}

const withFlag = (dtype: string | undefined): string =>
  dtype === undefined ? "without --base-dtype" : `with --base-dtype ${dtype}`;
