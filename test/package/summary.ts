// What was checked, and how it came out.

/** Thrown where something cannot be checked on this machine. */
export class Skipped extends Error {}

interface Row {
  readonly part: string;
  readonly check: string;
  readonly outcome: "ok" | "skipped" | "FAILED";
  readonly note: string;
}

export class Summary {
  readonly #rows: Row[] = [];

  /** Runs a check, whose result is a note, such as a size. @returns whether it held */
  async check(part: string, check: string, body: () => Promise<string | undefined>): Promise<boolean> {
    const row = (outcome: Row["outcome"], note: string) => this.#add({ part, check, outcome, note });
    try {
      row("ok", (await body()) ?? "");
      return true;
    } catch (error) {
      const { message } = error as Error;
      row(error instanceof Skipped ? "skipped" : "FAILED", message);
      return false;
    }
  }

  skip(part: string, check: string, reason: string): void {
    this.#add({ part, check, outcome: "skipped", note: reason });
  }

  get hasFailed(): boolean {
    return this.#rows.some(({ outcome }) => outcome === "FAILED");
  }

  text(): string {
    const width = Math.max(...this.#rows.map(({ part, check }) => part.length + check.length)) + 2;
    return this.#rows.map((row) => line(row, width)).join("\n");
  }

  #add(row: Row): void {
    this.#rows.push(row);
    console.error(line(row, 0));
  }
}

function line({ part, check, outcome, note }: Row, width: number): string {
  const [first, ...rest] = note.split("\n");
  const text = [first, ...(outcome === "FAILED" ? rest : [])].join("\n    ");
  return `${outcome.padEnd(7)} ${`${part}: ${check}`.padEnd(width)}${text && `  ${text}`}`;
}
