import { type Counts, emptyCounts } from "./scores.js";

/** How often each class is the reference, is predicted, and is both: of the size of the classes, not of the rows. */
export class ClassCounts {
  rows = 0;
  /** By class id, in the order in which the classes come up; those that neither side has are not there. */
  readonly byClass = new Map<number, Counts>();

  add(reference: number, prediction: number): void {
    this.rows++;
    this.#of(reference).actual++;
    this.#of(prediction).predicted++;
    if (reference === prediction) this.#of(reference).truePositives++;
  }

  #of(id: number): Counts {
    const counts = this.byClass.get(id) ?? emptyCounts();
    this.byClass.set(id, counts);
    return counts;
  }
}
