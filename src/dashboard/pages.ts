import { type LivePart, Markup } from "../report/index.js";
import type { Board } from "./board.js";
import { LivePage } from "./livePage.js";
import { boardSection, RUNS, runSection } from "./statusSection.js";

/** What a dashboard shows, and what can be done from it. */
export interface Watched {
  readonly board: Board;
  /** Draws the page of a run, or of all of them together. */
  draw(run: string | undefined, live: LivePart): Promise<string>;
  /** Ends a run in good order, or all of them. */
  stop(run: string | undefined): void;
  /** Has a run save a checkpoint after its step. */
  checkpoint(run: string): void;
}

/** One page that can be looked at: a run's, or that of all runs. */
export interface Shown {
  readonly run: string | undefined;
  readonly page: LivePage;
}

/** Stands in a drawn page where it says how far its runs are: that changes with every step. */
const STATUS = new Markup("<!-- live -->");

/** The pages of a dashboard by their paths, each made when somebody asks for it. */
export class Pages {
  readonly #shown = new Map<string, Shown>();

  constructor(
    private readonly watched: Watched,
    private readonly scripts: readonly string[],
  ) {}

  /** What they show is no longer all there is. */
  changed(): void {
    for (const { page } of this.#shown.values()) page.changed();
  }

  /** The page at a path; undefined where there is none. */
  at(path: string): Shown | undefined {
    const known = this.#shown.get(path);
    if (known) return known;
    const run = this.#runAt(path);
    if (run === undefined && path !== "/") return undefined;
    const shown: Shown = {
      run,
      page: new LivePage(() => this.watched.draw(run, { status: STATUS, scripts: this.scripts })),
    };
    this.#shown.set(path, shown);
    return shown;
  }

  /** The run whose page a path is: a run alone is at the top, others by their names. */
  #runAt(path: string): string | undefined {
    const name = path === "/" ? "" : path.startsWith(RUNS) ? path.slice(RUNS.length) : undefined;
    return name === undefined ? undefined : this.watched.board.run(name)?.name;
  }

  /** A page with its figures as they were drawn last, and how far its runs are now. @param isWanted as of `LivePage` */
  async html({ run, page }: Shown, isWanted: boolean): Promise<string> {
    const drawn = await page.html(isWanted);
    return drawn.replace(STATUS.source, () => this.statusOf(run).source);
  }

  /** How far a run is, or all are. */
  statusOf(run: string | undefined): Markup {
    const status = run === undefined ? undefined : this.watched.board.run(run);
    return status ? runSection(status, run === "") : boardSection(this.watched.board);
  }
}
