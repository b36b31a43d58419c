"""GGUF files, and the values that the Python package `gguf` and transformers read from them.

VENV/bin/pip install torch transformers gguf; VENV/bin/python test/golden/packed.py test/golden/io/gguf/make_gguf.py
Writes next to this script; the same versions give the same bytes.

types.gguf            random blocks of every readable type; types.safetensors has their values by `gguf.quants.dequantize`
kinds.gguf            every kind of metadata, and tensors of every writable type; kinds.safetensors has the original values
NAME.gguf             tiny models in the layout of llama.cpp's converter; NAME.safetensors has the original weights (for quantized tensors,
                      the values that transformers reads), NAME.json the configuration that transformers derives, and texts with their ids
"""

import json
import os
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Gemma3TextConfig, LlamaConfig, Qwen2Config, Qwen3Config
from transformers.tokenization_utils_base import generate_merges

HERE = Path(__file__).parent
SEED = 7

TEXTS = [
    "The quick brown fox jumps over 12 lazy dogs.",
    "  two spaces, and  more   inside",
    "prices: 1234567.89 and  42",
    "tabs\tand\nlines\n\n  indented\r\n",
    "Größe, naïve café, e\u0301 – “quotes”",
    "漢字 and かな, 한국어 😀👍🏽",
    "I'll say it's DON'T we'Ve",
    "<|im_start|>user\nhello<|im_end|>\n",
    "<s> a</s>b <think>x</think>",
    "",
    " ",
    "x",
    "\u3000 ①ﬁ\u00a0z",
    "the the the thethe",
    "call <|tool|> now",
]
CORPUS = TEXTS * 3 + ["the cat sat on the mat and the dog ran to the fog", "user assistant system hello world", "it's what we'll do"] * 4


def random_blocks(rng, kind, rows, columns):
    """Random bytes with finite float16 scales of both signs, one of them subnormal and one zero."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (rows * columns // elements, size), dtype=np.uint8)
    halves = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}
    for at in halves.get(kind, []):
        scales = rng.normal(0, 0.1, len(blocks)).astype(np.float16)
        scales[0] = 6e-7
        scales[1] = -0.0
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(-1, 2)
    if kind in (T.F32, T.F16, T.BF16):
        values = rng.normal(0, 1, (rows, columns)).astype(np.float32)
        values[0, :6] = [0, -0.0, 6e-8, -1e-5, 65504, 1 / 3]
        return np.ascontiguousarray(quantize(values, kind)).view(np.uint8).reshape(rows, -1)
    return blocks.reshape(rows, columns // elements * size)


def make_types():
    rng = np.random.default_rng(SEED)
    kinds = [T.F32, T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q4_K, T.Q5_K, T.Q6_K]
    writer = gguf.GGUFWriter(HERE / "types.gguf", "llama")
    values = {}
    for kind in kinds:
        columns = 512 if gguf.GGML_QUANT_SIZES[kind][0] == 256 else 96
        rows = 2 if columns == 512 else 3
        blocks = random_blocks(rng, kind, rows, columns)
        data = blocks.view({T.F32: np.float32, T.F16: np.float16}.get(kind, np.uint8))
        raw = None if kind in (T.F32, T.F16) else kind
        writer.add_tensor(kind.name, data, raw_dtype=raw)
        floats = dequantize(data, kind)
        assert floats.dtype == np.float32 and np.isfinite(floats).all()
        values[kind.name] = torch.from_numpy(np.copy(floats))
    finish(writer)
    save_file(values, HERE / "types.safetensors")


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_kinds():
    rng = np.random.default_rng(SEED)
    writer = gguf.GGUFWriter(HERE / "kinds.gguf", "llama")
    writer.add_uint8("a.uint8", 255)
    writer.add_int8("a.int8", -128)
    writer.add_uint16("a.uint16", 65535)
    writer.add_int16("a.int16", -32768)
    writer.add_uint32("a.uint32", 2**32 - 1)
    writer.add_int32("a.int32", -(2**31))
    writer.add_float32("a.float32", 0.1)
    writer.add_uint64("a.uint64", 2**64 - 1)
    writer.add_int64("a.int64", -(2**63))
    writer.add_uint64("a.small", 7)
    writer.add_float64("a.float64", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.string", "é 漢 😀\n")
    writer.add_key_value("a.bytes", [1, 2, 3], gguf.GGUFValueType.ARRAY, sub_type=gguf.GGUFValueType.UINT8)
    writer.add_array("a.numbers", [1, -2, 3])
    writer.add_array("a.floats", [0.5, 0.1])
    writer.add_array("a.flags", [True, False])
    writer.add_array("a.texts", ["", "ab", "漢"])
    given = {}
    for name, kind, shape in [
        ("f32", T.F32, (3, 5)),
        ("f16", T.F16, (7,)),
        ("bf16", T.BF16, (2, 3, 5)),
        ("q8_0", T.Q8_0, (3, 64)),
    ]:
        values = rng.normal(0, 1, shape).astype(np.float32)
        if kind == T.Q8_0:
            values[0, :32] = 0
            values[1, :32] = np.arange(32) - 15.5  # halfway between two steps
            values[1, 31] = 127
            values[2, :32] *= 1e-6
            # found by trial: so close to a half that it rounds the other way unless the scale's inverse is a float32
            values[2, 32:34] = [2.0924041271209717, 0.041189055889844894]
            values[2, 34:] = 0
        given[name] = torch.from_numpy(values)
        writer.add_tensor(name, quantize(values, kind), raw_dtype=None if kind in (T.F32, T.F16) else kind)
    finish(writer)
    save_file(given, HERE / "kinds.safetensors")


LLAMA3_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")


def split(expression):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(expression), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def byte_level(pre, specials):
    """A tokenizer like those of the models with this pre-tokenizer."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    tokenizer.pre_tokenizer = {
        "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
        "smollm": lambda: pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        ),
        "llama-bpe": lambda: split(LLAMA3_SPLIT),
        "qwen2": lambda: split(QWEN2_SPLIT),
    }[pre]()
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    spec = json.loads(tokenizer.to_str())
    vocab = spec["model"]["vocab"]
    if pre == "llama-bpe":  # a word that no merges produce, but that is a token nevertheless
        vocab[next(word for word in ["\u0120lazy", "\u0120brown", "\u0120jumps"] if word not in vocab)] = len(vocab)
    if pre in ("smollm", "qwen2"):  # digits that would be merged if they were one word
        vocab["12"] = len(vocab)
        spec["model"]["merges"].append(["1", "2"])
    return Tokenizer.from_str(json.dumps(spec))


def add_byte_level(writer, tokenizer, pre, specials, plain):
    spec = json.loads(tokenizer.to_str())
    vocab = sorted(spec["model"]["vocab"], key=spec["model"]["vocab"].get)
    tokens = vocab + plain
    types = [gguf.TokenType.CONTROL if t in specials else gguf.TokenType.NORMAL for t in vocab]
    types += [gguf.TokenType.USER_DEFINED] * len(plain)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(pair) for pair in spec["model"]["merges"]])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in plain])
    return tokens


def permute(weights, heads):
    """Interleaves the two halves of each head, like llama.cpp's converter."""
    shape = weights.shape
    return weights.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


GEMMA_NAMES = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def gguf_name(name, arch):
    for theirs, ours in ({**NAMES, **GEMMA_NAMES} if arch == "gemma3" else NAMES).items():
        name = name.replace(theirs + ".", ours + ".")
    return name.replace("model.layers.", "blk.")


def rope_factors(config):
    """`rope_freqs.weight` as computed by llama.cpp's converter."""
    p = config.rope_parameters
    dim = config.head_dim
    freqs = 1.0 / (p["rope_theta"] ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim))
    low, high, original, factor = (
        p["low_freq_factor"], p["high_freq_factor"], p["original_max_position_embeddings"], p["factor"],
    )
    factors = []
    for freq in freqs:
        wave = 2 * np.pi / freq
        if wave < original / high:
            factors.append(1)
        elif wave > original / low:
            factors.append(factor)
        else:
            smooth = (original / wave - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def add_model(writer, arch, config, kinds):
    torch.manual_seed(SEED)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    state = model.state_dict()
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    for name, tensor in state.items():
        weights = tensor.float().numpy()
        if arch == "llama" and "q_proj" in name:
            weights = permute(weights, config.num_attention_heads)
        if arch == "llama" and "k_proj" in name:
            weights = permute(weights, config.num_key_value_heads)
        kind = next((k for part, k in kinds.items() if part in name), T.F32) if weights.ndim > 1 else T.F32
        if arch == "gemma3" and "norm.weight" in name:
            weights = weights + 1
        data = quantize(np.ascontiguousarray(weights), kind)
        writer.add_tensor(gguf_name(name, arch), data, raw_dtype=None if kind in (T.F32, T.F16) else kind)
    return state


def write_truth(name, state, ids, sentences=TEXTS):
    """Writes the configuration and weights that transformers reads; exact values for tensors that are not quantized."""
    file = f"{name}.gguf"
    config = AutoConfig.from_pretrained(HERE, gguf_file=file).to_dict()
    model = AutoModelForCausalLM.from_pretrained(HERE, gguf_file=file, dtype=torch.float32)
    weights = {key: model.state_dict()[key].contiguous().clone() for key in state}
    for key, value in state.items():
        assert value.shape == weights[key].shape and (value - weights[key]).abs().max() < 0.1, key
    save_file(weights, HERE / f"{name}.safetensors")
    keep = [
        "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "max_position_embeddings", "rms_norm_eps", "vocab_size", "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id",
    ] + (["sliding_window", "head_dim", "layer_types"] if name == "gemma3" else [])
    theirs = AutoTokenizer.from_pretrained(HERE, gguf_file=file)
    differ = [text for text, own in zip(sentences, ids) if theirs(text)["input_ids"] != own]
    print(name, "transformers reads other ids from the file for:", differ)
    facts = {"config": {k: config.get(k) for k in keep}, "texts": sentences, "ids": ids, "differ": differ}
    (HERE / f"{name}.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n")


def shape(layers=2, **settings):
    sizes = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=2)
    return {**sizes, "max_position_embeddings": 96, "rms_norm_eps": 1e-5, **settings}


def make_byte_level_models():
    chat = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|tool|>"]
    llama3 = {
        "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    plain = {"rope_type": "default", "rope_theta": 50000.0}
    cases = [
        ("smollm", "llama", "smollm", LlamaConfig(**shape(rope_parameters=plain, tie_word_embeddings=True, head_dim=8)),
         {"embed": T.Q8_0, "q_proj": T.Q4_1, "k_proj": T.Q5_0, "mlp": T.F16, "o_proj": T.BF16}),
        ("llama3", "llama", "llama-bpe", LlamaConfig(**shape(1, rope_parameters=llama3, head_dim=16, attention_bias=True, mlp_bias=True)), {}),
        ("qwen2", "qwen2", "qwen2", Qwen2Config(**shape(1, rope_parameters=plain, tie_word_embeddings=True)), {"k_proj": T.Q8_0}),
        ("qwen3", "qwen3", "gpt-2", Qwen3Config(**shape(1, rope_parameters=plain, head_dim=10)), {}),
    ]
    for name, arch, pre, config, kinds in cases:
        tokenizer = byte_level(pre, chat)
        writer = gguf.GGUFWriter(HERE / f"{name}.gguf", arch)
        writer.add_name(f"Tiny {name}")
        tokens = add_byte_level(writer, tokenizer, pre, chat, ["<think>", "</think>"])
        config.vocab_size = len(tokens)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_pad_token_id(0)
        writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
        if arch == "llama":
            writer.add_rope_dimension_count(config.head_dim)
        if arch == "qwen3":
            writer.add_key_length(config.head_dim)
            writer.add_value_length(config.head_dim)
        if config.rope_parameters["rope_type"] == "llama3":
            writer.add_tensor("rope_freqs.weight", rope_factors(config))
        state = add_model(writer, arch, config, kinds)
        finish(writer)
        ids = [tokenizer.encode(text).ids for text in TEXTS]
        if pre == "llama-bpe":
            ids = [[1, *own] for own in ids]
        write_truth(name, state, ids) if name not in ("llama3", "qwen3") else write_exact(name, state, ids)


def write_exact(name, state, ids):
    """For files whose settings transformers ignores: it uses defaults for biases and head size."""
    save_file({k: v.clone() for k, v in state.items()}, HERE / f"{name}.safetensors")
    theirs = AutoTokenizer.from_pretrained(HERE, gguf_file=f"{name}.gguf")
    differ = [text for text, own in zip(TEXTS, ids) if theirs(text)["input_ids"] != own]
    print(name, "transformers reads other ids from the file for:", differ)
    facts = {"texts": TEXTS, "ids": ids, "differ": differ}
    (HERE / f"{name}.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n")


def make_sentencepiece_model():
    """Pieces with the scores of sentencepiece's BPE: the order in which they were learned."""
    special = ["<unk>", "<s>", "</s>"]
    byte_tokens = [f"<0x{i:02X}>" for i in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    learned = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    pieces = [t for t in learned if t not in special and len(t) > 1]
    letters = [t for t in learned if t not in special and len(t) == 1]
    tokens = special + byte_tokens + pieces + letters + ["<think>"]
    scores = [0.0] * 259 + [-float(i) for i in range(len(pieces) + len(letters))] + [0.0]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL] + [gguf.TokenType.BYTE] * 256
    kinds += [gguf.TokenType.NORMAL] * (len(pieces) + len(letters)) + [gguf.TokenType.USER_DEFINED]
    config = LlamaConfig(**shape(1, rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, head_dim=8, vocab_size=len(tokens)))
    writer = gguf.GGUFWriter(HERE / "pieces.gguf", "llama")
    writer.add_name("Tiny pieces")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_rope_dimension_count(8)
    state = add_model(writer, "llama", config, {})
    finish(writer)
    theirs = AutoTokenizer.from_pretrained(HERE, gguf_file="pieces.gguf")
    write_truth("pieces", state, [theirs(text)["input_ids"] for text in TEXTS])


def make_gemma_model():
    """Gemma's pieces: merged in the order of their ids, with runs of spaces as pieces, and meaningless scores."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    byte_tokens = [f"<0x{i:02X}>" for i in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("\u2581+"), behavior="merged_with_next")
    trainer = trainers.BpeTrainer(vocab_size=130, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS + ["a  b", "a   b"] * 20, trainer)
    learned = [t for t in sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get) if t not in special]
    assert "\u2581\u2581" in learned
    pieces = [t for t in learned if len(t) > 1]
    letters = [t for t in learned if len(t) == 1]
    tokens = special + ["<start_of_turn>", "\n\n"] + byte_tokens + pieces + letters
    spelled = [" " * len(t) if len(t) > 1 and not t.strip("\u2581") else t for t in tokens]
    kinds = [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * (len(pieces) + len(letters))
    config = Gemma3TextConfig(
        vocab_size=len(tokens), hidden_size=32, intermediate_size=32, num_hidden_layers=6, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=96, sliding_window=5, query_pre_attn_scalar=8,
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
    )
    writer = gguf.GGUFWriter(HERE / "gemma3.gguf", "gemma3")
    writer.add_name("Tiny gemma")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(spelled)
    writer.add_token_scores([-1000.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_unk_token_id(3)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_key_length(8)
    writer.add_value_length(8)
    writer.add_sliding_window(5)
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(8.0)
    state = add_model(writer, "gemma3", config, {})
    finish(writer)
    theirs = AutoTokenizer.from_pretrained(HERE, gguf_file="gemma3.gguf")
    write_truth("gemma3", state, [theirs(text)["input_ids"] for text in TEXTS])


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    make_types()
    make_kinds()
    make_byte_level_models()
    make_sentencepiece_model()
    make_gemma_model()
