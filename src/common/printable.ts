// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

const visible = (character: string): string =>
  character === "\n"
    ? "\\n"
    : character === "\t"
      ? "\\t"
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;

/** Text as one line that a terminal shows and does not obey: control characters, which begin escape sequences, as `\x1b`. */
export const oneLine = (text: string): string => text.replace(CONTROLS, visible);

/** As `oneLine`, for a text of several lines. */
export const printable = (text: string): string =>
  text.replace(CONTROLS, (character) => (character === "\n" || character === "\t" ? character : visible(character)));

/** A value as one line of JSON, with those control characters escaped too that JSON would let pass. */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value).replace(CONTROLS, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
