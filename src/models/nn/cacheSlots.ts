// Where the sequences of a key-value cache lie in its memory.

/** A sequence's rows in the memory of each layer. */
export interface Slot {
  readonly start: number;
  /** In tokens. */
  readonly capacity: number;
}

/** A sequence to find a slot for. */
export interface Wanted {
  readonly capacity: number;
  /** The number of tokens that it has. */
  readonly length: number;
  /** Where they are; undefined for a new sequence. */
  readonly from: Slot | undefined;
}

/** The share of a slot from which on its capacity doubles together with that of a full one. */
const NEARLY_FULL = 0.75;

export const emptySlot = (capacity: number): Wanted => ({ capacity, length: 0, from: undefined });

/** Doubles the capacity of slots that are full, or nearly so. @param lengths the number of tokens that each must hold */
export const enlarged = (all: readonly Wanted[], lengths: readonly number[]): readonly Wanted[] =>
  all.map((held, i) => {
    const length = lengths[i]!;
    const isKept = length < NEARLY_FULL * held.capacity;
    return isKept ? held : { ...held, capacity: Math.max(length, 2 * held.capacity) };
  });

/** Slots among `rows` rows, where a sequence stays in its own if that is large enough; undefined if there is no room. */
export function slotsWithin(wanted: readonly Wanted[], rows: number): readonly Slot[] | undefined {
  // A slot that is left can be overwritten only after it has been copied.
  const taken = [...new Set(wanted.flatMap(({ from }) => from ?? []))];
  const kept = new Set<Slot>();
  const slots: Slot[] = [];
  for (const { from, capacity } of wanted) {
    const stays = from && !kept.has(from) && from.capacity >= capacity;
    const slot = stays ? from : gapIn(taken, capacity, rows);
    if (!slot) return undefined;
    if (stays) kept.add(from);
    else taken.push(slot);
    slots.push(slot);
  }
  return slots;
}

/** The first place for a slot beside those that are taken; undefined if there is none. */
function gapIn(taken: readonly Slot[], capacity: number, rows: number): Slot | undefined {
  let start = 0;
  for (const slot of taken.toSorted((a, b) => a.start - b.start)) {
    if (slot.start - start >= capacity) break;
    start = slot.start + slot.capacity;
  }
  return start + capacity <= rows ? { start, capacity } : undefined;
}

/** Slots one after the other, and the number of their rows. */
export function slotsInOrder(wanted: readonly Wanted[]): { readonly slots: readonly Slot[]; readonly rows: number } {
  let rows = 0;
  const slots = wanted.map(({ capacity }) => {
    rows += capacity;
    return { start: rows - capacity, capacity };
  });
  return { slots, rows };
}
