/** Drawing takes at most this share of the time, as the runs need the rest: unless one would wait too long for it. */
const SHARE = 0.1;
/** Milliseconds between two drawings, at the least and at the most. */
const LEAST = 2000;
const MOST = 30_000;

/** A page that is drawn when somebody asks for it and something has changed, and not too often. */
export class LivePage {
  #html: Promise<string> | undefined;
  #isStale = true;
  #notBefore = 0;

  constructor(
    private readonly draw: () => Promise<string>,
    private readonly now = () => performance.now(),
  ) {}

  /** What it shows is no longer all there is. */
  changed(): void {
    this.#isStale = true;
  }

  /** Whether asking for it gives something new. */
  get isDue(): boolean {
    return this.#isStale && this.now() >= this.#notBefore;
  }

  /** The page as it was drawn last, or anew. @param isWanted draws what is stale however soon */
  html(isWanted = false): Promise<string> {
    if (this.#html && !this.isDue && !(isWanted && this.#isStale)) return this.#html;
    const began = this.now();
    this.#isStale = false;
    // Nobody asks for another one while it is being drawn.
    this.#notBefore = Number.POSITIVE_INFINITY;
    this.#html = this.draw().finally(() => {
      const spent = this.now() - began;
      this.#notBefore = this.now() + Math.min(MOST, Math.max(LEAST, spent / SHARE));
    });
    return this.#html;
  }
}
