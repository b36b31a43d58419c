import { refuse } from "./fault.js";

/** Characters, in UTF-16 units, from one to before another. */
export type Span = readonly [from: number, to: number];

/** So much a template may write. */
const MOST_CHARACTERS = 2 ** 26;

/** What a template has written so far. */
export class Output {
  text = "";
  /** What stands between `{% generation %}` and its end. */
  readonly generated: Span[] = [];

  /** @param isMain not the text of a macro or a variable, whose place in the whole is not known */
  constructor(readonly isMain: boolean) {}

  write(text: string): void {
    this.text += text;
    if (this.text.length > MOST_CHARACTERS) refuse(`it writes more than ${MOST_CHARACTERS} characters`);
  }
}
