// What tokenizer.json says of Sentencepiece's BPE, which writes spaces as `▁`.

/** A setting of tokenizer.json. */
type Spec = { readonly [key: string]: string | boolean | number | Spec | readonly Spec[] };

/** @param scheme what a space is put before: the first part of a text, what follows a special token too, or nothing */
export const metaspace = (scheme: "first" | "always" | "never"): Spec => ({
  type: "Metaspace",
  replacement: "▁",
  prepend_scheme: scheme,
  split: false,
});

/** Pieces put together to a text. @param stripsSpace whether that before the first one goes */
export const joinedPieces = (stripsSpace: boolean): Spec => ({
  type: "Sequence",
  decoders: [
    { type: "Replace", pattern: { String: "▁" }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
    ...(stripsSpace ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
  ],
});
