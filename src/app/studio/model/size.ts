/** Sizes of files and models. */
import { formatBytes } from "../../../base/index.js";

/** In KiB below 1 MiB, else as `formatBytes`. */
export const sizeText = (bytes: number): string =>
  bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(1)} KiB` : formatBytes(bytes);
