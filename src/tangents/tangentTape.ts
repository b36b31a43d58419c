import * as torch from "../torch/index.js";
import { type Analysis, analyse } from "./analysis.js";
import type { Nested } from "./rule.js";
import { walk, walkForward } from "./walk.js";

/** What a forward pass is recorded for. */
export interface RecordOptions {
  /** Tensors that may move: u has one tensor for each. */
  readonly moving: readonly torch.Tensor[];
  /** Tensors whose gradients' derivatives are asked for. */
  readonly wanted: readonly torch.Tensor[];
}

/** A recorded forward pass that no gradient has been taken of. */
export interface Recorded {
  readonly loss: torch.Tensor;
  /**
   * The gradients of `total`, the loss or what contains it, with respect to `inputs`; zero where it does not depend on one. What
   * tangents need beside is kept, the rest let go of before, so that it is not there twice.
   */
  gradients(
    total: torch.Tensor,
    inputs: readonly torch.Tensor[],
  ): { readonly gradients: torch.Tensor[]; readonly tape: TangentTape };
}

/** A forward and a backward pass, from which d/dε of its gradients along any u follow. */
export interface TangentTape {
  /**
   * d/dε ∇L(x + εu) at 0 with respect to each of `wanted`; zero where L does not depend on one.
   * @param isLast what is kept is let go of on the way
   * @throws NoTangent
   */
  gradientsAlong(u: readonly torch.Tensor[], isLast?: boolean): torch.Tensor[];
  dispose(): void;
}

/** Records the pass that gives a loss. */
export function recordForward(body: () => torch.Tensor, { moving, wanted }: RecordOptions): Recorded {
  const { result: loss, tape } = torch.recordTape(body);
  const recording: Recording = {
    tape,
    end: tape.find(loss),
    lossDtype: loss.dtype,
    moved: moving.map((tensor) => tape.find(tensor)),
    asked: wanted.map((tensor) => tape.find(tensor)),
    likes: wanted.map(({ shape, dtype }) => ({ shape, dtype })),
  };
  return {
    loss,
    gradients(total, inputs) {
      const analysis = analysisOf(recording);
      const watched = [...(analysis?.keptGradients ?? [])];
      tape.prune(analysis?.keptValues ?? [], watched);
      const found = tape.gradients(total, inputs);
      const kept = new Map(
        watched.flatMap((place, i) => {
          const gradient = found[inputs.length + i];
          return gradient ? [[place, torch.keep(gradient)] as const] : [];
        }),
      );
      return {
        gradients: inputs.map((input, i) => found[i] ?? torch.zerosLike(input)),
        tape: tangentTape(recording, analysis, kept),
      };
    },
  };
}

interface Recording {
  readonly tape: torch.Tape;
  readonly end: torch.Place | undefined;
  readonly lossDtype: torch.DType;
  readonly moved: readonly (torch.Place | undefined)[];
  readonly asked: readonly (torch.Place | undefined)[];
  /** Of what is wanted. */
  readonly likes: readonly { readonly shape: readonly number[]; readonly dtype: torch.DType }[];
}

const isPlace = (place: torch.Place | undefined) => place !== undefined;

/** Undefined where the loss depends on nothing. */
function analysisOf({ tape, end, moved, asked }: Recording): Analysis | undefined {
  if (end === undefined) return undefined;
  return analyse(tape, { ends: [end], moving: moved.filter(isPlace), wanted: asked.filter(isPlace) });
}

function tangentTape(
  { tape, end, lossDtype, moved, asked, likes }: Recording,
  analysis: Analysis | undefined,
  gradients: Map<torch.Place, torch.Tensor>,
): TangentTape {
  return {
    gradientsAlong(u, isLast = false) {
      const along = alongPlaces(moved, u);
      const wanted = new Set(asked.filter(isPlace));
      const found =
        analysis && end !== undefined
          ? walk({ tape, analysis, loss: end, lossDtype, gradients, along, wanted, isLast, nested })
          : new Map<torch.Place, torch.Tensor>();
      return likes.map(({ shape, dtype }, i) => found.get(asked[i] ?? -1) ?? torch.zeros(shape, { dtype }));
    },
    dispose() {
      for (const gradient of gradients.values()) gradient.dispose();
      tape.dispose();
    },
  };
}

/** Passes within a call, for the rules that ask for them. */
const nested: Nested = {
  tangents(body, moving, along) {
    const { result: outputs, tape } = torch.enableGrad(() => torch.recordTape(body));
    try {
      const found = outputs.map((output) => tape.find(output));
      const ends = found.filter(isPlace);
      const places = moving.map((tensor) => tape.find(tensor));
      const analysis = analyse(tape, { ends, moving: places.filter(isPlace), wanted: [] });
      const motion = alongPlaces(places, along);
      const walked = { tape, analysis, gradients: new Map(), along: motion, isLast: false, nested };
      const tangents = walkForward(walked, ends);
      return found.map((place) => tangents.get(place ?? -1));
    } finally {
      tape.dispose();
    }
  },
  gradientsAlong(body, { moving, along, wanted }) {
    const recorded = torch.enableGrad(() => recordForward(body, { moving, wanted }));
    const { tape } = recorded.gradients(recorded.loss, []);
    try {
      return tape.gradientsAlong(along, true);
    } finally {
      tape.dispose();
    }
  },
};

function alongPlaces(places: readonly (torch.Place | undefined)[], u: readonly torch.Tensor[]) {
  return new Map(places.flatMap((place, i) => (place === undefined ? [] : [[place, u[i] as torch.Tensor] as const])));
}
