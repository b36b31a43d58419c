/**
 * Places on a line, as near as can be to those that are wanted, of which no two are nearer than a gap; in the order of the wanted ones,
 * and between two ends where there is room for all. Neighbours that are too near share out the difference.
 */
export function spread(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  const blocks: Block[] = [];
  for (const i of order) {
    blocks.push({ members: [i], sum: wanted[i]! });
    while (blocks.length > 1 && startOf(blocks.at(-1)!) < endOf(blocks.at(-2)!, gap)) join(blocks, gap);
  }
  const places = new Array<number>(wanted.length);
  for (const block of blocks) for (const [k, i] of block.members.entries()) places[i] = startOf(block) + k * gap;
  return within(places, order, gap, low, high);
}

/** Neighbours at one gap from each other. */
interface Block {
  readonly members: number[];
  /** Of the places at which each wants the first to be. */
  sum: number;
}

const startOf = ({ members, sum }: Block): number => sum / members.length;
const endOf = (block: Block, gap: number): number => startOf(block) + block.members.length * gap;

function join(blocks: Block[], gap: number): void {
  const last = blocks.pop()!;
  const before = blocks.at(-1)!;
  before.sum += last.sum - last.members.length * before.members.length * gap;
  before.members.push(...last.members);
}

/** Pushed in from the ends; where there is no room for all, the last stand beyond. */
function within(places: number[], order: readonly number[], gap: number, low: number, high: number): number[] {
  for (const [k, i] of order.toReversed().entries()) places[i] = Math.min(places[i]!, high - k * gap);
  for (const [k, i] of order.entries()) places[i] = Math.max(places[i]!, low + k * gap);
  return places;
}
