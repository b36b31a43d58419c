// One call of each listed operator and what it must give, worked out by hand or with Math.

import * as torch from "../../src/torch/index.js";
import { CODE_VALUES } from "../../src/torch/operators/adamw8bit.js";
import type { Nested } from "./nested.js";

const { tensor } = torch;
type Result = torch.Tensor | readonly torch.Tensor[] | number | boolean;
type Case = () => readonly [actual: Result, expected: Nested];

const v = (...values: number[]) => tensor(values);
const longs = (...values: number[]) => tensor(values, [values.length], "int64");
const flags = (...values: number[]) => tensor(values, [values.length], "bool");
const row = (...values: number[]) => tensor(values, [1, values.length]);
const column = (...values: number[]) => tensor(values, [values.length, 1]);
const m = () => tensor([1, 2, 3, 4], [2, 2]);
const wide = () => tensor([1, 2, 3, 4, 5, 6], [2, 3]);
const reference = (x: readonly number[], fn: (value: number) => number) => x.map(fn);

/** A function of one variable, at places that tell it from its neighbors. */
const each = (call: (x: torch.Tensor) => torch.Tensor, fn: (value: number) => number, x = [0.25, 1, 2.5]): Case => {
  return () => [call(tensor(x)), reference(x, fn)];
};

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const GELU = [0.1496765613, 0.8413447461, 2.4844758366];
const geluTanh = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const softmaxOf = (x: readonly number[]) => {
  const sum = x.reduce((total, value) => total + Math.exp(value), 0);
  return x.map((value) => Math.exp(value) / sum);
};
const normal = (x: readonly number[], eps = 0) => {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  return x.map((value) => (value - mean) / Math.sqrt(variance + eps));
};

/** Random numbers: the same seed gives the same, in the range that the arguments say. */
const drawn = (draw: (generator: torch.Generator) => torch.Tensor, fits: (value: number) => boolean): Case => {
  return () => {
    const first = draw(new torch.Generator(7)).toArray();
    const again = draw(new torch.Generator(7)).toArray();
    const other = draw(new torch.Generator(8)).toArray();
    const isSame = first.every((value, index) => value === again[index]);
    const isOther = first.some((value, index) => value !== other[index]);
    return [isSame && isOther && first.every(fits), true];
  };
};

/** Runs `change` on a pair of vectors and shows what became of them. */
const changed = (change: (list: torch.Tensor[]) => void, expected: Nested): Case => {
  return () => {
    const list = [v(1, 4), v(9)];
    change(list);
    return [list, expected];
  };
};
const pair = (a: readonly number[], b: readonly number[]) => [tensor(a), tensor(b)];

/** Whether the CPU has no such operator. */
const refused = (call: () => unknown): boolean => {
  try {
    call();
    return false;
  } catch (error) {
    return /there is no kernel for CPU tensors/.test(String(error));
  }
};

// One query head of two positions; key 0 is far the better match of query 0, both fit query 1 the same.
const query = () => tensor([2, 0, 0, 0], [1, 1, 2, 2]);
const keys = () => tensor([1, 0, -1, 0], [1, 1, 2, 2]);
const values = () => tensor([1, 2, 3, 4], [1, 1, 2, 2]);
const attended = () => {
  const [near = 0, far = 0] = softmaxOf([2 / Math.SQRT2, -2 / Math.SQRT2]);
  return [
    [
      [
        [near + 3 * far, 2 * near + 4 * far],
        [2, 3],
      ],
    ],
  ];
};
const logits = [1, 2, 0.5, 0.1, 0.2, 0.3];
const lossOf = (row: number, label: number) =>
  -Math.log(softmaxOf(logits.slice(3 * row, 3 * row + 3))[label] as number);

const arithmetic = {
  "aten::add.Tensor": () => [torch.add(v(1, 2), v(10, 20), { alpha: 2 }), [21, 42]],
  "aten::add.Scalar": () => [torch.addScalar(v(1, 2), 0.5, 3), [2.5, 3.5]],
  "aten::add_.Tensor": () => [torch.add_(v(1, 2), v(10, 20)), [11, 22]],
  "aten::add_.Scalar": () => [torch.addScalar_(v(1, 2), 1), [2, 3]],
  "aten::sub.Tensor": () => [torch.sub(v(1, 2), v(10, 20), { alpha: 0.5 }), [-4, -8]],
  "aten::sub.Scalar": () => [torch.subScalar(v(1, 2), 3), [-2, -1]],
  "aten::mul.Tensor": () => [torch.mul(v(2, 3), v(5, 7)), [10, 21]],
  "aten::mul.Scalar": () => [torch.mulScalar(v(2, 3), 1.5), [3, 4.5]],
  "aten::mul_.Tensor": () => [torch.mul_(v(2, 3), v(5, 7)), [10, 21]],
  "aten::mul_.Scalar": () => [torch.mulScalar_(v(2, 3), -1), [-2, -3]],
  "aten::div.Tensor": () => [torch.div(v(1, 9), v(4, 3)), [0.25, 3]],
  "aten::div.Scalar": () => [torch.divScalar(v(1, 9), 2), [0.5, 4.5]],
  "aten::neg": each(torch.neg, (x) => -x),
  "aten::pow.Tensor_Scalar": each(
    (x) => torch.pow(x, 3),
    (x) => x ** 3,
  ),
  "aten::pow.Scalar": each(
    (x) => torch.powOf(3, x),
    (x) => 3 ** x,
  ),
  "aten::square": each(torch.square, (x) => x * x),
  "aten::sqrt": each(torch.sqrt, Math.sqrt),
  "aten::rsqrt": each(torch.rsqrt, (x) => 1 / Math.sqrt(x)),
  "aten::reciprocal": each(torch.reciprocal, (x) => 1 / x),
  "aten::exp": each(torch.exp, Math.exp),
  "aten::abs": each(torch.abs, Math.abs, [-2, 0, 3]),
  "aten::sign_": () => [torch.sign_(v(-3, 0, 0.5)), [-1, 0, 1]],
  "aten::round": each(
    torch.round,
    (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
    [-1.5, 0.5, 2.6],
  ),
  "aten::tanh": each(torch.tanh, Math.tanh),
  "aten::sigmoid": each(torch.sigmoid, (x) => 1 / (1 + Math.exp(-x))),
  "aten::log_sigmoid": each(torch.logSigmoid, (x) => -Math.log1p(Math.exp(-x))),
  "aten::expm1": each(torch.expm1, Math.expm1),
  "aten::log": each(
    (x) => torch.log(torch.exp(x)),
    (x) => x,
  ),
  "aten::sin": each(torch.sin, Math.sin),
  "aten::cos": each(torch.cos, Math.cos),
  "aten::clamp_min": () => [torch.clampMin(v(-2, 2), 0.5), [0.5, 2]],
  "aten::addcmul": () => [torch.addcmul(v(1, 2), v(3, 4), v(5, 6), { value: 10 }), [151, 242]],
  "aten::lerp_.Scalar": () => [torch.lerp_(v(0, 10), v(4, 20), 0.25), [1, 12.5]],
  "aten::masked_fill.Scalar": () => [
    torch.maskedFill(v(1, 2), flags(0, 1), Number.NEGATIVE_INFINITY),
    [1, Number.NEGATIVE_INFINITY],
  ],
  "aten::nan_to_num": () => [torch.nanToNum(v(Number.NaN, Number.POSITIVE_INFINITY, 1), 7, 8), [7, 8, 1]],
  "aten::isfinite": () => [torch.isfinite(v(Number.NaN, Number.POSITIVE_INFINITY, 1)), [0, 0, 1]],
  "aten::eq.Scalar": () => [torch.eqScalar(v(1, 2), 2), [0, 1]],
  "aten::ne.Scalar": () => [torch.neScalar(v(1, 2), 2), [1, 0]],
  "aten::gt.Scalar": () => [torch.gtScalar(v(1, 2, 3), 2), [0, 0, 1]],
  "aten::lt.Scalar": () => [torch.ltScalar(v(1, 2, 3), 2), [1, 0, 0]],
  "aten::le.Scalar": () => [torch.leScalar(v(1, 2, 3), 2), [1, 1, 0]],
  "aten::ge.Scalar": () => [torch.geScalar(v(1, 2, 3), 2), [0, 1, 1]],
  "aten::ge.Tensor": () => [torch.ge(v(1, 2, 3), v(1, 3, 2)), [1, 0, 1]],
  "aten::logical_not": () => [torch.logicalNot(flags(1, 0)), [0, 1]],
  "aten::logical_or": () => [torch.logicalOr(flags(1, 1, 0), flags(1, 0, 0)), [1, 1, 0]],
  "aten::bitwise_and.Scalar": () => [torch.bitwiseAndScalar(longs(5, 6), 3), [1, 2]],
  "aten::bitwise_xor.Tensor": () => [torch.bitwiseXor(longs(5, 6), longs(3, 1)), [6, 7]],
  "aten::bitwise_xor.Scalar": () => [torch.bitwiseXorScalar(longs(5, 6), 3), [6, 5]],
  "aten::bitwise_right_shift.Tensor_Scalar": () => [torch.shiftRight(longs(20, -4), 2), [5, -1]],
} satisfies Record<string, Case>;

const reductions = {
  "aten::sum": () => [torch.sum(wide()), 21],
  "aten::sum.dim_IntList": () => [
    [torch.sumDim(wide(), [1]), torch.sumDim(wide(), [0], true)],
    [[6, 15], [[5, 7, 9]]],
  ],
  "aten::mean": () => [torch.mean(wide()), 3.5],
  "aten::mean.dim": () => [torch.meanDim(wide(), [0]), [2.5, 3.5, 4.5]],
  "aten::max": () => [torch.max(wide()), 6],
  "aten::amax": () => [torch.amax(wide(), [0]), [4, 5, 6]],
  "aten::min": () => [torch.min(wide()), 1],
  "aten::argmax": () => [
    [torch.argmax(wide()), torch.argmax(wide(), 0)],
    [5, [1, 1, 1]],
  ],
  "aten::topk": () => [torch.topk(row(1, 3, 2), 2), [[[3, 2]], [[1, 2]]]],
  "aten::all": () => [
    [torch.all(flags(1, 1)), torch.all(flags(1, 0))],
    [1, 0],
  ],
  "aten::norm.Scalar": () => [
    [torch.norm(v(3, -4)), torch.norm(v(3, -4), 1)],
    [5, 7],
  ],
  "aten::linalg_vector_norm": () => [torch.linalgVectorNorm(m(), 2, [1]), [Math.sqrt(5), 5]],
  "aten::cumsum": () => [torch.cumsum(v(1, 2, 3), 0), [1, 3, 6]],
} satisfies Record<string, Case>;

const products = {
  "aten::mm": () => [
    torch.mm(m(), wide()),
    [
      [9, 12, 15],
      [19, 26, 33],
    ],
  ],
  "aten::mv": () => [torch.mv(m(), v(1, -1)), [-1, -1]],
  "aten::mm.out": () => [
    torch.mmOut(m(), m(), torch.empty([2, 2])),
    [
      [7, 10],
      [15, 22],
    ],
  ],
  "aten::addmm": () => [
    torch.addmm(v(1, 2), m(), m(), { beta: 10, alpha: 2 }),
    [
      [24, 40],
      [40, 64],
    ],
  ],
  "aten::matmul": () => [torch.matmul(m(), v(1, -1)), [-1, -1]],
  "aten::linear": () => [
    [torch.linear(m(), m(), v(10, 20)), torch.linear(m(), m())],
    [
      [
        [15, 31],
        [21, 45],
      ],
      [
        [5, 11],
        [11, 25],
      ],
    ],
  ],
  "aten::linalg_svd": () => [torch.linalgSvd(tensor([0, 3, 2, 0], [2, 2]))[1], [3, 2]],
  "aten::linalg_qr": () => [
    torch.linalgQr(tensor([0, 3, 2, 0], [2, 2]))[1],
    [
      [-2, 0],
      [0, -3],
    ],
  ],
  "aten::linalg_eigh": () => [torch.linalgEigh(tensor([0, 2, 2, 3], [2, 2]))[0], [-1, 4]],
  "aten::linalg_solve": () => [torch.linalgSolve(tensor([0, 2, 4, 0], [2, 2]), tensor([6, 8], [2, 1])), [[2], [3]]],
} satisfies Record<string, Case>;

const shapes = {
  "aten::view": () => [
    torch.view(wide(), [3, -1]),
    [
      [1, 2],
      [3, 4],
      [5, 6],
    ],
  ],
  "aten::reshape": () => [torch.reshape(wide(), [6]), [1, 2, 3, 4, 5, 6]],
  "aten::flatten.using_ints": () => [
    torch.flatten(torch.unsqueeze(m(), 0), 0, 1),
    [
      [1, 2],
      [3, 4],
    ],
  ],
  "aten::transpose.int": () => [
    torch.transpose(wide(), 0, 1),
    [
      [1, 4],
      [2, 5],
      [3, 6],
    ],
  ],
  "aten::t": () => [
    torch.t(wide()),
    [
      [1, 4],
      [2, 5],
      [3, 6],
    ],
  ],
  "aten::contiguous": () => [torch.view(torch.contiguous(torch.t(m())), [4]), [1, 3, 2, 4]],
  "aten::expand": () => [
    torch.expand(v(1, 2), [2, -1]),
    [
      [1, 2],
      [1, 2],
    ],
  ],
  "aten::unsqueeze": () => [torch.unsqueeze(v(1, 2), -1), [[1], [2]]],
  "aten::squeeze.dim": () => [torch.squeeze(tensor([1, 2], [2, 1]), 1), [1, 2]],
  "aten::cat": () => [
    torch.cat([m(), wide()], 1),
    [
      [1, 2, 1, 2, 3],
      [3, 4, 4, 5, 6],
    ],
  ],
  "aten::stack": () => [
    torch.stack([v(1, 2), v(3, 4)], 1),
    [
      [1, 3],
      [2, 4],
    ],
  ],
  "aten::narrow": () => [torch.narrow(v(1, 2, 3), 0, 1, 2), [2, 3]],
  "aten::select.int": () => [torch.select(m(), 1, -1), [2, 4]],
  "aten::index_copy_": () => [torch.indexCopy_(v(1, 2, 3), 0, longs(2, 0), v(7, 8)), [8, 2, 7]],
  "aten::index_select": () => [
    torch.indexSelect(wide(), 1, longs(2, 0)),
    [
      [3, 1],
      [6, 4],
    ],
  ],
  "aten::bucketize.Tensor": () => [torch.bucketize(v(0.5, 1, 3), v(1, 2), { outInt32: true }), [0, 0, 2]],
  "aten::gather": () => [
    torch.gather(wide(), 1, tensor([2, 0, 1, 1], [2, 2], "int64")),
    [
      [3, 1],
      [5, 5],
    ],
  ],
  "aten::repeat_interleave.self_int": () => [torch.repeatInterleave(v(1, 2), 2), [1, 1, 2, 2]],
  "aten::diagonal": () => [torch.diagonal(wide(), 1), [2, 6]],
  "aten::roll": () => [torch.roll(v(1, 2, 3), [1]), [3, 1, 2]],
} satisfies Record<string, Case>;

const making = {
  "aten::empty.memory_format": () => [torch.fill_(torch.empty([2], { dtype: "int64" }), 3), [3, 3]],
  "aten::empty_like": () => [
    torch.fill_(torch.emptyLike(m()), 3),
    [
      [3, 3],
      [3, 3],
    ],
  ],
  "aten::zeros": () => [torch.zeros([2]), [0, 0]],
  "aten::zeros_like": () => [
    torch.zerosLike(m()),
    [
      [0, 0],
      [0, 0],
    ],
  ],
  "aten::zero_": () => [torch.zero_(v(1, 2)), [0, 0]],
  "aten::ones": () => [torch.ones([1, 2], { dtype: "bool" }), [[1, 1]]],
  "aten::ones_like": () => [torch.onesLike(v(5, 6)), [1, 1]],
  "aten::full": () => [torch.full([2], 2.5), [2.5, 2.5]],
  "aten::fill_.Scalar": () => [torch.fill_(v(1, 2), 0.5), [0.5, 0.5]],
  "aten::arange": () => [torch.arange(3), [0, 1, 2]],
  "aten::eye": () => [
    torch.eye(2),
    [
      [1, 0],
      [0, 1],
    ],
  ],
  "aten::clone": () => {
    const source = v(1, 2);
    const copy = torch.clone(source);
    torch.zero_(source);
    return [copy, [1, 2]];
  },
  "aten::detach": () => [torch.detach(v(1).setRequiresGrad(true)).requiresGrad, false],
  "aten::copy_": () => [torch.copy_(v(0, 0), longs(3, 4)), [3, 4]],
  "aten::to.device": () => [torch.toDevice(v(1.75), "cpu", "int32"), [1]],
  "aten::to.dtype": () => [torch.to(v(1.75, -1.75), "int32"), [1, -1]],
  "aten::alias": () => {
    const source = v(1, 2);
    const other = torch.alias(source);
    torch.zero_(source);
    return [other, [0, 0]];
  },
  "aten::bernoulli_.float": drawn(
    (generator) => torch.bernoulli_(torch.empty([64]), 0.5, { generator }),
    (x) => x === 0 || x === 1,
  ),
  "aten::uniform_": drawn(
    (generator) => torch.uniform_(torch.empty([64]), 2, 3, { generator }),
    (x) => x >= 2 && x < 3,
  ),
  "aten::normal_": drawn(
    (generator) => torch.normal_(torch.empty([64]), 100, 1, { generator }),
    (x) => Math.abs(x - 100) < 6,
  ),
  "aten::randint.generator": drawn(
    (generator) => torch.randint(10, [64], { generator }),
    (x) => x >= 0 && x < 10,
  ),
} satisfies Record<string, Case>;

const networks = {
  "aten::embedding": () => [
    torch.embedding(wide(), longs(1, 0)),
    [
      [4, 5, 6],
      [1, 2, 3],
    ],
  ],
  "aten::relu": each(torch.relu, (x) => Math.max(0, x), [-1, 0, 2]),
  "aten::gelu": () => [
    [torch.gelu(v(0.25, 1, 2.5)), torch.gelu(v(0.5), { approximate: "tanh" })],
    [GELU, [geluTanh(0.5)]],
  ],
  "aten::silu": each(torch.silu, (x) => x * sigmoid(x)),
  "aten::softmax.int": () => [torch.softmax(v(1, 2, 0.5), 0), softmaxOf([1, 2, 0.5])],
  "aten::layer_norm": () => [
    torch.layerNorm(wide(), [3], v(2, 2, 2), v(1, 1, 1), 0.5),
    Array(2).fill(normal([1, 2, 3], 0.5).map((x) => 2 * x + 1)),
  ],
  "aten::rms_norm": () => [torch.rmsNorm(v(3, 4), [2], v(1, 10), 0), [3 / Math.sqrt(12.5), 40 / Math.sqrt(12.5)]],
  "aten::scaled_dot_product_attention": () => [torch.scaledDotProductAttention(query(), keys(), values()), attended()],
  // For CUDA alone; test/torch/operators/fusedAttention.test.ts has what is passed to them.
  "aten::_flash_attention_forward": () => [
    refused(() => torch.flashAttention(query(), keys(), values(), null, null, 2, 2, 0, false, false)),
    true,
  ],
  "aten::_efficient_attention_forward": () => [
    refused(() => torch.efficientAttention(query(), keys(), values(), null, null, null, null, null, 0, 0)),
    true,
  ],
  "aten::cross_entropy_loss": () => {
    const loss = torch.crossEntropyLoss(tensor(logits, [2, 3]), longs(1, -100));
    const both = torch.crossEntropyLoss(tensor(logits, [2, 3]), longs(1, 0), null, 2);
    return [
      [loss, both],
      [lossOf(0, 1), lossOf(0, 1) + lossOf(1, 0)],
    ];
  },
  "aten::binary_cross_entropy_with_logits": () => [
    torch.binaryCrossEntropyWithLogits(v(0.5, -2), v(1, 0)),
    -(Math.log(sigmoid(0.5)) + Math.log(sigmoid(2))) / 2,
  ],
  "aten::mse_loss": () => [torch.mseLoss(v(1, 2), v(3, 5)), 6.5],
} satisfies Record<string, Case>;

const many = {
  "aten::_foreach_add_.List": changed(
    (list) => torch.foreachAdd_(list, pair([1, 1], [1]), { alpha: 2 }),
    [[3, 6], [11]],
  ),
  "aten::_foreach_add_.Scalar": changed((list) => torch.foreachAddScalar_(list, 1), [[2, 5], [10]]),
  "aten::_foreach_add.List": () => [torch.foreachAdd(pair([1, 4], [9]), pair([1, 1], [1])), [[2, 5], [10]]],
  "aten::_foreach_sub.List": () => [torch.foreachSub(pair([1, 4], [9]), pair([1, 1], [1])), [[0, 3], [8]]],
  "aten::_foreach_mul_.Scalar": changed((list) => torch.foreachMulScalar_(list, 2), [[2, 8], [18]]),
  "aten::_foreach_mul.Scalar": () => [torch.foreachMulScalar(pair([1, 4], [9]), 2), [[2, 8], [18]]],
  "aten::_fused_adamw_": () => {
    const [weight, first, second] = [v(1), v(0), v(0)];
    const rates = { lr: 0.1, beta1: 0.9, beta2: 0.99, weightDecay: 0.5, eps: 0, amsgrad: false, maximize: false };
    torch.fusedAdamw_([weight], [v(3)], [first], [second], [], [tensor([1], [], "float32")], rates);
    // Decay takes 5 %; the first step of Adam is the rate itself.
    return [
      [weight, first, second],
      [[0.85], [0.3], [0.09]],
    ];
  },
  "aten::equal": () => [torch.equal(v(1, 2), v(1, 2)) && !torch.equal(v(1, 2), v(1, 3)), true],
} satisfies Record<string, Case>;

const kernels = {
  "bidora::attention_cached": () => {
    // One query that sees its own key and the one before; the first place of the cache is another's.
    const [q, k] = [tensor([1], [1, 1]), tensor([9, 0, Math.log(3)], [3, 1])];
    const [v, starts] = [tensor([9, 4, 8], [3, 1]), longs(0, 1)];
    return [torch.attentionCached(q, k, v, starts, longs(1), longs(2), 1, 1), [[7]]];
  },
  "bidora::write_rows_": () => {
    const cache = tensor([1, 2, 3, 4], [4, 1]);
    torch.writeRows_(cache, tensor([5, 6], [2, 1]), longs(0, 1, 2), longs(3, 1));
    return [cache, [[1], [6], [3], [5]]];
  },
  "bidora::write_rows_int8_": () => {
    const [codes, scales] = [torch.zeros([3, 2], { dtype: "int8" }), torch.zeros([3, 1])];
    torch.writeRowsInt8_(codes, scales, tensor([254, -100, 0, 0], [2, 2]), longs(0, 1, 2), longs(2, 0));
    return [
      [torch.to(codes, "float32"), scales],
      [
        [
          [0, 0],
          [0, 0],
          [127, -50],
        ],
        [[0], [0], [2]],
      ],
    ];
  },
  "bidora::attention": () => {
    const flat = (x: torch.Tensor) => torch.view(x, [2, 2]);
    const starts = longs(0, 2);
    return [
      torch.attention(flat(query()), flat(keys()), flat(values()), starts, starts, 1, 1, Math.SQRT1_2),
      attended()[0]![0]!,
    ];
  },
  "bidora::attention_mask": () => [
    torch.attentionMask(v(0), [0, 1], [2, 1], [2, 1], 1, 0, 7, 0),
    [
      [
        [
          [1, 1],
          [1, 1],
        ],
      ],
      [
        [
          [1, 0],
          [0, 0],
        ],
      ],
    ],
  ],
  "bidora::dropout_add_norm": () => {
    const [x, residual] = [tensor([1, 2, 3], [1, 3]), tensor([1, 1, 4], [1, 3])];
    const expected = normal([2, 3, 7], 0.5).map((value) => 2 * value + 1);
    return [torch.dropoutAddNorm(x, residual, v(2, 2, 2), v(1, 1, 1), 0.5), [[expected], [[2, 3, 7]]]];
  },
  "bidora::attention_tangent": () => {
    const [x, vd, starts] = [tensor([1, 2], [1, 2]), tensor([3, 4], [1, 2]), longs(0, 1)];
    return [torch.attentionTangent(x, x, x, x, x, vd, starts, starts, 1, 1, 1), [[3, 4]]]; // one key weighs 1
  },
  "bidora::attention_tangent_backward": () => {
    const [x, g, gd, starts] = [tensor([1, 2], [1, 2]), tensor([3, 4], [1, 2]), tensor([5, 6], [1, 2]), longs(0, 1)];
    const zero = [[0, 0]];
    return [
      torch.attentionTangentBackward(x, x, x, x, x, x, g, gd, starts, starts, 1, 1, 1),
      [zero, zero, [[5, 6]], zero, zero, [[3, 4]]],
    ];
  },
  "bidora::dropout_add_norm_tangent": () => {
    const [x, xd, zero] = [tensor([3, 4], [1, 2]), tensor([1, 0], [1, 2]), tensor([0, 0], [1, 2])];
    const tangents = torch.dropoutAddNormTangent(x, zero, v(1, 1), null, 12.5, xd, null, { centered: false });
    return [tangents, [[[0.164, -0.048]], [[1, 0]]]];
  },
  "bidora::dropout_add_norm_tangent_backward": () => {
    const [x, one, zero] = [tensor([3, 4], [1, 2]), tensor([1, 0], [1, 2]), tensor([0, 0], [1, 2])];
    const operands = [x, zero, v(1, 1), null, 12.5, one, null] as const;
    const [tangent, gradient] = [[[-0.02952, -0.00736]], [[0.164, -0.048]]];
    return [
      torch.dropoutAddNormTangentBackward(...operands, one, null, null, null, { centered: false }),
      [tangent, tangent, gradient, gradient],
    ];
  },
  "bidora::row_norm": () => {
    const expected = normal([2, 3, 7], 0.5).map((value) => 2 * value + 1);
    return [torch.rowNorm(tensor([2, 3, 7], [1, 3]), v(2, 2, 2), v(1, 1, 1), 0.5), [expected]];
  },
  "bidora::row_norm_tangent": () => {
    const [x, xd] = [tensor([3, 4], [1, 2]), tensor([1, 0], [1, 2])];
    return [torch.rowNormTangent(x, v(1, 1), 12.5, xd, { centered: false }), [[0.164, -0.048]]];
  },
  "bidora::row_norm_tangent_backward": () => {
    const [x, one] = [tensor([3, 4], [1, 2]), tensor([1, 0], [1, 2])];
    return [
      torch.rowNormTangentBackward(x, v(1, 1), 12.5, one, one, null, { centered: false }),
      [[[-0.02952, -0.00736]], [[0.164, -0.048]]],
    ];
  },
  "bidora::rotary": () => {
    const [x, cos, sin] = [tensor([1, 2, 3, 4], [1, 4]), tensor([1, 0], [1, 2]), tensor([0, 1], [1, 2])];
    return [torch.rotary(x, cos, sin, 2), [[1, 1, 3, 3]]];
  },
  "bidora::gelu": () => [torch.fusedGelu(v(-1, 0, 2)), [-0.15865525, 0, 1.95449974]],
  "bidora::silu": () => [torch.fusedSilu(v(0, Math.log(3))), [0, 0.75 * Math.log(3)]],
  "bidora::gelu_mul": () => [torch.geluMul(tensor([0, 2], [1, 2]), tensor([7, 3], [1, 2])), [[0, 3 * 1.95449974]]],
  "bidora::silu_mul": () => [
    torch.siluMul(tensor([0, Math.log(3)], [1, 2]), tensor([7, 2], [1, 2])),
    [[0, 1.5 * Math.log(3)]],
  ],
  "bidora::gelu_tangent": () => [torch.geluTangent(v(0), v(2)), [1]],
  "bidora::gelu_tangent_backward": () => [
    torch.geluTangentBackward(v(0), v(2), v(3), v(4)),
    [[6 * Math.sqrt(2 / Math.PI) + 2], [1.5]],
  ],
  "bidora::gated_tangent": () => [
    torch.gatedTangent(v(0), v(3), v(2), v(5), { activation: "silu" }),
    [3], // silu'(0) = ½
  ],
  "bidora::gated_tangent_backward": () => [
    torch.gatedTangentBackward(v(0), v(3), v(2), v(5), v(7), v(11), { activation: "silu" }),
    [[0.5 * 2 * 7 * 3 + 0.5 * (11 * 3 + 7 * 5)], [0.5 * 2 * 7], [10.5], [0]], // silu''(0) = ½
  ],
  "bidora::dropout": () => [torch.dropout(v(1, 2), 0, 7, 0), [1, 2]],
  "bidora::linear": () => [torch.fastLinear(tensor([1, 2], [1, 2]), tensor([1, 0, 1, 1], [2, 2]), v(1, 0)), [[2, 3]]],
  "bidora::linears": () => {
    const [weight, other] = [tensor([1, 0, 1, 1], [2, 2]), tensor([2, 1], [1, 2])];
    return [torch.fastLinears(tensor([1, 2], [1, 2]), [weight, other], [v(1, 0), v(5)]), [[[2, 3]], [[9]]]];
  },
  "bidora::linear_input_gradient": () => [
    torch.linearInputGradient(tensor([1, 2], [1, 2]), tensor([1, 0, 1, 1], [2, 2])),
    [[3, 2]],
  ],
  "bidora::linear_cross_entropy": () => {
    const [weight, targets] = [tensor([1, 0, 0, 1, 0, 0], [3, 2]), longs(0, 2)];
    const [x, least] = [tensor([Math.log(2), 0, 0, Math.log(6)], [2, 2]), 2];
    return [
      torch.linearCrossEntropy(x.setRequiresGrad(true), weight, v(0, 0, 0), targets),
      [
        Math.log(4 / least) + Math.log(8),
        [
          [least / 4 - 1, 1 / 4],
          [1 / 8, 6 / 8],
        ],
        1,
      ],
    ];
  },
  "bidora::linear_cross_entropy_tangent": () => [
    torch.linearCrossEntropyTangent(row(0, 0), row(1, 0), tensor([1, 0, 0, 1], [2, 2])),
    [[1 / 4, -1 / 4]],
  ],
  "bidora::low_rank_linear": () => {
    const [x, weight, a, b] = [
      tensor([1, 2], [1, 2]),
      tensor([1, 1, 0, 1], [2, 2]),
      tensor([1, 1], [1, 2]),
      tensor([1, 2], [2, 1]),
    ];
    return [torch.lowRankLinear(x, weight, v(1, 0), a, b, 0.5, { gain: v(1, 2) }), [[5.5, 10]]];
  },
  "bidora::low_rank_linear_tangent": () => {
    const [weight, a, b, aDot, bDot] = [tensor([1, 0, 0, 1], [2, 2]), row(1, 1), column(1, 2), row(0, 1), column(1, 0)];
    const factors = [weight, v(1, 0), a, b, 0.5, aDot, bDot, v(1, 2), v(1, 1)] as const;
    return [torch.lowRankLinearTangent(row(1, 2), row(1, 0), ...factors, row(3.5, 10)), [[6.5, 11]]];
  },
  "bidora::low_rank_linear_tangent_backward": () => {
    const [weight, a, b, aDot, bDot] = [tensor([1, 0, 0, 1], [2, 2]), row(1, 1), column(1, 2), row(0, 1), column(1, 0)];
    const factors = [weight, v(1, 0), a, b, 0.5, aDot, bDot, v(1, 2), v(1, 1)] as const;
    const values = [row(3.5, 10), row(6.5, 11), true, true] as const;
    return [
      torch.lowRankLinearTangentBackward(row(1, 1), row(0, 1), ...factors, ...values),
      [[[5, 9.5]], [2.5, 5], [4, 8]],
    ];
  },
  "bidora::direction_norm_tangent": () => {
    const [a, b] = [row(1, 0), column(0)];
    return [torch.directionNormTangent(row(3, 4), v(25), a, b, 1, 1e-3, 1e-12, v(5), null, column(1)), [0.6]];
  },
  "bidora::direction_norm": () => {
    const [weight, a, b] = [tensor([3, 0, 0, 1], [2, 2]), tensor([0, 1], [1, 2]), tensor([2, 0], [2, 1])];
    return [torch.directionNorm(weight, v(9, 1), a, b, 2, 1e-3, 1e-12), [5, 1]];
  },
  "bidora::direction_gain": () => {
    const [weight, a, b] = [tensor([3, 0, 0, 1], [2, 2]), tensor([0, 1], [1, 2]), tensor([2, 0], [2, 1])];
    return [torch.directionGain(weight, v(9, 1), a, b, v(10, 3), 2, 1e-3, 1e-12), [2, 3]];
  },
  "bidora::gram_tiles": () => {
    const tiles = torch.gramTiles(tensor([1, 2, 3, 4], [2, 2]));
    return [
      torch.narrow(torch.narrow(torch.select(tiles, 0, 0), 0, 0, 2), 1, 0, 2),
      [
        [0, 14],
        [14, 0],
      ],
    ];
  },
  "bidora::gram_form": () => {
    const tiles = torch.gramTiles(tensor([1, 2, 3, 4], [2, 2]));
    const [p, q] = [tensor([1, 0], [1, 2]), tensor([1, 1], [1, 2])];
    return [torch.gramForm(tiles, v(10, 20), v(1, 2), p, q), 10 ** 2 + 4 * 20 ** 2 + 4 * 14 ** 2 + 4 * (10 + 14)];
  },
  "bidora::orthogonality": () => {
    const weight = tensor([1, 0, 1, 1], [2, 2]);
    const [tiles, diagonal] = [torch.gramTiles(weight), v(2, 1)];
    const [a, b] = [torch.zeros([1, 2]), torch.zeros([2, 1])];
    const [value] = torch.orthogonality([weight], [tiles], [diagonal], [a], [b], [1], 1e-3, 1e-26);
    return [value, 1];
  },
  "bidora::total_norm": () => [torch.totalNorm([v(3), tensor([0, 4], [1, 2])]), 5],
  "bidora::scaled": () => [torch.scaled([v(3), v(0, 4)], 0.5)[1]!, [0, 2]],
  "bidora::adamw_": () => {
    const [parameter, gradient, mean, square] = [v(1), v(3), v(0), v(0)];
    const rates = { lr: 0.5, beta1: 0.5, beta2: 0.5, weightDecay: 0, epsilon: 0 };
    torch.adamw_([parameter], [gradient], [mean], [square], 1, rates);
    return [parameter, [0.5]];
  },
  "bidora::packed_weight": () => [torch.decodeWeight(int8Rows()), [[2, -4]]],
  "bidora::decode_weight": () => [torch.decodeWeight(int8Rows()), [[2, -4]]],
  "bidora::decode_rows": () => [torch.decodeRows(int8Rows(), torch.tensor([0], [1], "int64")), [[2, -4]]],
  "bidora::quantize_weight": () => [torch.quantizeWeight(tensor([1, -2], [1, 2]), "int8")[0]!, [[64, -127]]],
  "bidora::adamw_8bit_": () => {
    const [parameter, gradient] = [v(1), v(3)];
    const codes = [0, 0].map(() => torch.zeros([1], { dtype: "uint8" }));
    const scales = [0, 0].map(() => torch.zeros([1]));
    const values = [CODE_VALUES.signed, CODE_VALUES.unsigned].map((map) => torch.tensor(map));
    const rates = { lr: 0.5, beta1: 0.5, beta2: 0.5, weightDecay: 0, epsilon: 0 };
    torch.adamw8bit_(
      ...[[parameter], [gradient], [codes[0]!], [scales[0]!], [codes[1]!], [scales[1]!]],
      ...[values[0]!, values[1]!, 1, rates],
    );
    return [
      [parameter, ...codes, ...scales],
      [[0.5], [255], [255], [1.5], [4.5]],
    ];
  },
  "mkldnn::_reorder_linear_weight": () => {
    const packed = torch.reorderLinearWeight(tensor([1, 2, 3, 4], [2, 2]));
    return [torch.linearPointwise(tensor([1, -1], [1, 2]), packed, null, "none", [], ""), [[-1, -1]]];
  },
  "mkldnn::_linear_pointwise": () => {
    const packed = torch.reorderLinearWeight(tensor([1, 2, 3, 4], [2, 2]));
    const x = tensor([1, -1], [1, 2]);
    return [torch.linearPointwise(x, packed, v(0, 3), "leaky_relu", [0.5], ""), [[-0.5, 2]]];
  },
} satisfies Record<string, Case>;

/** The matrix [[2, −4]], packed. */
const int8Rows = () => torch.packedWeight([torch.tensor([1, -2], [1, 2], "int8"), v(2)], "int8", [], [1, 2], "float32");

/** A listed operator without a case does not compile. */
export const CASES: Record<(typeof torch.OPERATORS)[number], Case> = {
  ...arithmetic,
  ...reductions,
  ...products,
  ...shapes,
  ...making,
  ...networks,
  ...many,
  ...kernels,
};
