/** What a page says about each method: its name, three sentences, and the formula of its picture (docs/method.md). */
import type { Method } from "../../../tasks/config/index.js";
import { column, down, frozen, type Piece, random, row, small, trained } from "./formula.js";

/** A method for someone who chooses one. */
export interface MethodFacts {
  readonly name: string;
  /** What is trained, what it costs, when it suits. */
  readonly about: readonly [string, string, string];
  /** Its weight, from left to right. */
  readonly formula: readonly Piece[];
}

const W = frozen("W");
const [A, B] = [row("A"), down("B")];

/** The methods that most people choose from. */
export const MAIN_METHODS: readonly Method[] = ["lora", "dora", "bidora", "full"];

export const METHOD_FACTS: Readonly<Record<Method, MethodFacts>> = {
  lora: {
    name: "LoRA",
    about: [
      "The weights W stay as they are; beside each of them a product of two thin matrices, B·A, is trained.",
      "Little is trained, so memory is low and the result is a small file, which most programs read and which can be merged into the model.",
      "It is a good first choice: what other methods add can be judged by it.",
    ],
    formula: [W, "+", B, A],
  },
  dora: {
    name: "DoRA",
    about: [
      "Each row of a weight is taken apart into its length m and its direction; LoRA’s matrices change the direction, and m is trained beside them.",
      "A step costs a little more than LoRA’s, and the result can be merged into the model too.",
      "It suits where LoRA of a low rank falls short of training all weights.",
    ],
    formula: [column("m"), "⊙", "(", W, "+", B, A, ")", "/ ‖·‖"],
  },
  bidora: {
    name: "BiDoRA",
    about: [
      "DoRA’s two parts learn from different rows: the direction from most training rows, the lengths m from the others, which the direction has not seen.",
      "When the search has found m, it is kept, and the direction is trained anew on all rows; a run takes several times as long as DoRA’s.",
      "It is meant against overfitting, so for small sets of rows.",
    ],
    formula: [column("m", "upper"), "⊙", "(", W, "+", down("B", "lower"), row("A", "lower"), ")", "/ ‖·‖"],
  },
  full: {
    name: "All weights",
    about: [
      "Every weight of the model is trained, and nothing is put beside it.",
      "It takes the most memory, for gradients and the optimizer’s state of all weights, and the result is a whole model.",
      "It suits small models, and tasks that are far from what the model has learned.",
    ],
    formula: [trained("W")],
  },
  adalora: {
    name: "AdaLoRA",
    about: [
      "As in LoRA a product is trained beside each weight, with one number E for each of its ranks.",
      "During the run, ranks that matter little are set to zero, so that the others are where they help.",
      "It needs runs that are long enough for its schedule, and higher learning rates than LoRA.",
    ],
    formula: [W, "+", B, small("E"), A],
  },
  vera: {
    name: "VeRA",
    about: [
      "B and A are random, frozen and the same for all layers; only two vectors, λb and λd, are trained for each weight.",
      "It trains far fewer numbers than LoRA, and its file is tiny.",
      "It takes a higher rank and a higher learning rate than LoRA.",
    ],
    formula: [W, "+", column("λb"), random("B", "down"), small("λd"), random("A", "row")],
  },
  miss: {
    name: "MiSS",
    about: [
      "One thin matrix D is trained for each weight, and repeated along the inputs.",
      "It has half of LoRA’s numbers in a square layer, at about the same time for a step.",
      "There is no scale (alpha) to choose.",
    ],
    formula: [W, "+", "[", down("D"), down("D"), "…", "]"],
  },
  delora: {
    name: "DeLoRA",
    about: [
      "A product is trained as in LoRA, with all its vectors brought to length one, and a number λ that bounds the length of the change.",
      "How far the weights can move is bounded by λ, relative to their own lengths, and λ is trained too.",
      "The bound acts from the first step on, so the first change is large.",
    ],
    formula: [W, "+", small("λ"), "·", B, A, "/ ‖·‖"],
  },
  hira: {
    name: "HiRA",
    about: [
      "The weight is multiplied by a low-rank product, element by element, so that the change has no low rank.",
      "A step takes about three times as long as LoRA’s.",
      "The result is merged into the model for fast answers.",
    ],
    formula: [W, "⊙", "(", "1 +", B, A, ")"],
  },
  oft: {
    name: "OFT",
    about: [
      "The inputs of each weight are rotated, in blocks R; only the rotations are trained.",
      "Rotations keep the angles between the neurons of a layer as they were.",
      "The more blocks, the less is trained, and the less a step costs.",
    ],
    formula: [W, "·", trained("R")],
  },
  prediag: {
    name: "Pre-Diag",
    about: [
      "One factor d for each output of a weight is trained, and LoRA’s product beside it.",
      "Unlike in DoRA no norm is computed.",
      "Other programs have no such adapter: merge the result for them.",
    ],
    formula: [column("d"), "⊙", W, "+", B, A],
  },
  ia3: {
    name: "IA³",
    about: [
      "Keys, values and the inner values of feed-forward layers are multiplied by trained factors l, and nothing else changes.",
      "It trains very few numbers, so its file is tiny.",
      "It takes a higher learning rate than LoRA.",
    ],
    formula: [column("l"), "⊙", W],
  },
  adapter: {
    name: "Bottleneck adapters",
    about: [
      "Behind attention and feed-forward layers, two thin layers, down and up, are put in and trained.",
      "They can’t be merged into the weights, so that the model stays larger and a little slower.",
      "It is the oldest of these methods, and other work is often compared with it.",
    ],
    formula: [W, "→", down("up"), "f", row("down")],
  },
  bitfit: {
    name: "BitFit",
    about: [
      "Only the biases b are trained, and the weights stay as they are.",
      "It trains very few numbers, and the result costs no time later.",
      "It needs a model that has biases, which most newer language models don’t.",
    ],
    formula: [W, "x +", column("b")],
  },
};
