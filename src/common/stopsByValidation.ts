/**
 * Whether a run with these settings is stopped early by its validation rows, and ends with its best there: where it holds training rows
 * out, these decide in their place.
 */
export const stopsByValidation = (settings: Readonly<Record<string, unknown>>): boolean =>
  (settings.earlyStopping ?? null) !== null && (settings.holdoutFraction ?? null) === null;
