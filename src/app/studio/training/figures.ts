/** The figures of runs, as their reports have them, drawn again while they train. */
import { BidoraError } from "../../../base/index.js";
import { readRunLog } from "../../../base/records/index.js";
import { LivePage } from "../../../studies/dashboard/index.js";
import { html, Markup, runFigures } from "../../../studies/report/index.js";
import { logVersion } from "./runFacts.js";

/** Milliseconds in which a page is sent before the next drawing begins. */
const PAUSE = 50;

interface Drawn {
  readonly page: LivePage;
  /** The log's version before the last drawing. */
  version: string | undefined;
  shown: string | undefined;
  isDrawing: boolean;
}

export class Figures {
  readonly #drawn = new Map<string, Drawn>();

  /** @param onDrawn called when figures were drawn that the pages don't show yet */
  constructor(private readonly onDrawn: () => void) {}

  /**
   * The figures of the run in a folder as they were drawn last: pages don't wait for a drawing. While the run trains, drawing takes a tenth
   * of the time at most.
   * @returns undefined for those that are drawn for the first time; nothing without a log
   */
  of(folder: string, isTraining: boolean): Markup | undefined {
    const version = logVersion(folder);
    if (version === undefined) return html``;
    const drawn = this.#drawn.get(folder) ?? entryFor(folder);
    this.#drawn.set(folder, drawn);
    if (version !== drawn.version) drawn.page.changed();
    const isWanted = version !== drawn.version && (!isTraining || drawn.page.isDue);
    if (isWanted && !drawn.isDrawing) this.#draw(folder, drawn);
    return drawn.shown === undefined ? undefined : new Markup(drawn.shown);
  }

  #draw(folder: string, drawn: Drawn): void {
    drawn.isDrawing = true;
    setTimeout(async () => {
      drawn.version = logVersion(folder);
      drawn.shown = await drawn.page.html(true);
      drawn.isDrawing = false;
      this.onDrawn();
    }, PAUSE);
  }
}

const entryFor = (folder: string): Drawn => ({
  ...{ page: new LivePage(() => drawnFrom(folder)), version: undefined },
  ...{ shown: undefined, isDrawing: false },
});

async function drawnFrom(folder: string): Promise<string> {
  try {
    return (await runFigures(await readRunLog(folder))).source;
  } catch (error) {
    // The log may have no event yet.
    if (error instanceof BidoraError && error.code === "RUN_LOG") return "";
    return html`<p class="note">They can’t be drawn: ${(error as Error).message}</p>`.source;
  }
}
