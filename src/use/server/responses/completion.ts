/** Responses of `/v1/completions`. */
import type { TokenBytes } from "../../../text/index.js";
import type { ChoicePiece } from "../choices.js";
import type { TokenLogprobs } from "../engine/job.js";
import { type Answered, ResponseForm, reasonOf } from "./common.js";
import { charactersIn, completionLogprobs, type PlacedToken } from "./tokens.js";

/** A prompt as a choice repeats it. */
export interface EchoedPrompt {
  readonly text: string;
  readonly ids: readonly number[];
  /** Where each token begins in the text, in code points. */
  readonly offsets: readonly number[];
}

const WORDS = { prefix: "cmpl", whole: "text_completion", event: "text_completion" };

export class CompletionForm extends ResponseForm {
  readonly #choices: readonly ChoiceText[];

  /**
   * @param before of each prompt, the tokens that its texts continue
   * @param echoes the prompts to repeat; undefined for none
   */
  constructor(
    answered: Answered,
    before: readonly (readonly number[])[],
    echoes: readonly EchoedPrompt[] | undefined,
    private readonly bytes: TokenBytes,
  ) {
    super(WORDS, answered);
    const { n } = answered;
    this.#choices = Array.from({ length: before.length * n }, (_, i) => {
      const prompt = Math.floor(i / n);
      return new ChoiceText(echoes?.[prompt], bytes, before[prompt]?.length === 0);
    });
  }

  *choices(pieces: ReadonlyMap<number, readonly ChoicePiece[]>): Iterable<object> {
    for (const [index, choice] of this.#choices.entries()) {
      const own = pieces.get(index) ?? [];
      const parts = own.map((piece) => choice.add(piece));
      const [text, tokens] = [parts.map((part) => part.text).join(""), parts.flatMap((part) => part.tokens)];
      yield this.#choice(index, text, tokens, reasonOf(own.at(-1)?.finish));
    }
  }

  opening(): readonly object[] {
    return [];
  }

  events(piece: ChoicePiece): readonly object[] {
    const { index, finish } = piece;
    const { text, tokens } = this.#choices[index]!.add(piece);
    const isShown = text !== "" || finish !== undefined || (this.answered.logprobs && tokens.length > 0);
    return isShown ? [this.event(this.#choice(index, text, tokens, reasonOf(finish)))] : [];
  }

  #choice(index: number, text: string, tokens: readonly PlacedToken[], finish_reason: string | null): object {
    const logprobs = this.answered.logprobs ? completionLogprobs(tokens, this.bytes) : null;
    return { index, text, logprobs, finish_reason };
  }
}

/** The text of one choice and the places of its tokens, after the prompt if that is repeated. */
class ChoiceText {
  /** The prompt's tokens so far. */
  #scored: readonly (TokenLogprobs | undefined)[] = [undefined];
  #hasEchoed: boolean;
  /** Whether the next token is the first of a text that continues none. */
  #isAtStart: boolean;
  /** In code points. */
  #length: number;

  constructor(
    private readonly echo: EchoedPrompt | undefined,
    private readonly bytes: TokenBytes,
    isAtStart: boolean,
  ) {
    this.#isAtStart = isAtStart;
    this.#hasEchoed = echo === undefined;
    this.#length = echo ? Array.from(echo.text).length : 0;
  }

  /** The text and tokens of a piece. The prompt comes with the first piece after it. */
  add({ text, tokens, finish, logprobs, promptLogprobs }: ChoicePiece): {
    text: string;
    tokens: readonly PlacedToken[];
  } {
    this.#scored = [...this.#scored, ...promptLogprobs];
    if (tokens.length === 0 && finish === undefined) return { text: "", tokens: [] };
    const echoed = this.#takeEcho();
    const placed = tokens.map((id, i) => ({ id, offset: this.#place(id), logprobs: logprobs[i] }));
    return { text: `${echoed.text}${text}`, tokens: [...echoed.tokens, ...placed] };
  }

  #takeEcho(): { readonly text: string; readonly tokens: readonly PlacedToken[] } {
    if (this.#hasEchoed || !this.echo) return { text: "", tokens: [] };
    this.#hasEchoed = true;
    const { text, ids, offsets } = this.echo;
    return { text, tokens: ids.map((id, i) => ({ id, offset: offsets[i]!, logprobs: this.#scored[i] })) };
  }

  #place(id: number): number {
    const at = this.#length;
    if (this.bytes.isSpecial(id)) return at;
    this.#length += charactersIn(this.#isAtStart ? this.bytes.atStart(id) : this.bytes.of(id));
    this.#isAtStart = false;
    return at;
  }
}
