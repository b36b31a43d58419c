"""The model families of the golden files."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import texts
import transformers
from tokenizers import Tokenizer
from transformers import PreTrainedConfig


@dataclass(frozen=True)
class Family:
    """`classes` is the prefix of transformers' class names. `depth` determines which files are written for the family:

    1: checkpoints, logits, hidden states, and the adapters in `recipes`; 2: also the main adapters, training, the exact hypergradient; 3: everything.
    `settings` maps BERT's settings to the family's names (one, several or none), `modules` maps regular expressions for BERT's modules to the family's.
    `kinds` maps transformers' usual class name suffixes to class names that deviate from prefix + suffix."""

    name: str
    classes: str
    tokenizer: Callable[..., Tokenizer]
    special_tokens: dict
    config: dict
    depth: int
    heads: tuple[str, ...] = field(default=("single", "multi", "regression", "tokens"))
    settings: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    recipes: tuple[str, ...] | None = None  # the adapters to write, among those of its depth; default: all
    attention: str = "eager"  # transformers' implementation; "sdpa" for padded rows with a sliding window
    kinds: dict[str, str] = field(default_factory=dict)

    def transformers_class(self, suffix: str) -> type:
        return getattr(transformers, self.kinds.get(suffix, self.classes + suffix))

    def model_config(self, settings: dict) -> PreTrainedConfig:
        """The family's configuration with these settings, given by BERT's names."""
        own = lambda name: (names,) if isinstance(names := self.settings.get(name, name), str) else names
        return self.transformers_class("Config")(**{name: value for key, value in settings.items() for name in own(key)})

    def recipe(self, of_bert: dict) -> dict:
        """Replaces the names of BERT's modules in an adapter's settings by the family's."""
        text = json.dumps(of_bert)
        for name, own in self.modules.items():
            text = re.sub(name, own, text)
        return json.loads(text)

    @property
    def answers_questions(self) -> bool:
        """Of the Llama-like decoders only SmolLM3: for the others bidora has no question answering."""
        return hasattr(transformers, self.classes + "ForQuestionAnswering") and (not self.is_decoder or self.name in ("gpt2", "smollm3"))

    @property
    def is_decoder(self) -> bool:
        return "lm" in self.heads

    @property
    def has_types(self) -> bool:
        return self.config.get("type_vocab_size", 1) > 1


# RoBERTa counts positions from pad_token_id + 1, so 50 positions allow 48 tokens.
BERT = {"max_position_embeddings": 48, "type_vocab_size": 2, "pad_token_id": 0}
ROBERTA = {
    "max_position_embeddings": 50, "type_vocab_size": 1, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "layer_norm_eps": 1e-5,
}
XLM_ROBERTA = ROBERTA | {"hidden_act": "gelu_new", "num_hidden_layers": 1}
CAMEMBERT = ROBERTA | {"hidden_act": "relu", "layer_norm_eps": 1e-2, "num_hidden_layers": 1}
ELECTRA = BERT | {"embedding_size": 24}
DISTILBERT = {"max_position_embeddings": 48, "pad_token_id": 0, "seq_classif_dropout": 0.0, "qa_dropout": 0.0}
DISTILBERT_SETTINGS = {
    "intermediate_size": "hidden_dim", "hidden_dropout_prob": "dropout", "attention_probs_dropout_prob": "attention_dropout",
    "classifier_dropout": "seq_classif_dropout",
}
# For JSON, in which a pattern's backslashes are doubled. PEFT fully trains pre_classifier, as its name ends in classifier, so it can't be adapted.
DISTILBERT_MODULES = {
    r"(self\\*\.)?query": "q_lin", r"(self\\*\.)?value": "v_lin", "intermediate.dense": "ffn.lin1",
    '"all-linear"': '"all-linear", "exclude_modules": ["pre_classifier"]',
}

# Small models with the structure of v3 (first) and v2-xlarge (second).
SMALL = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 22, "num_hidden_layers": 2}
FEW = ("lora", "dora", "dora-wide", "dora-all-linear")
DEBERTA = SMALL | {
    "max_position_embeddings": 48, "type_vocab_size": 0, "pad_token_id": 0, "relative_attention": True, "position_biased_input": False,
    "pos_att_type": "p2c|c2p", "share_att_key": True, "position_buckets": 8, "max_relative_positions": 24, "norm_rel_ebd": "layer_norm",
}
DEBERTA_XLARGE = DEBERTA | {
    "type_vocab_size": 2, "position_biased_input": True, "share_att_key": False, "position_buckets": -1, "max_relative_positions": 9,
    "norm_rel_ebd": "none", "embedding_size": 12, "conv_kernel_size": 3, "conv_act": "gelu", "pooler_hidden_act": "tanh",
}
DEBERTA_NAMES = {"settings": {"classifier_dropout": "cls_dropout"}, "modules": {"query": "query_proj", "value": "value_proj"}}
# The mask token's id is that of a word in the rows. ESM has no token types and no question answering class.
ESM = SMALL | {
    "max_position_embeddings": 50, "pad_token_id": 0, "type_vocab_size": 1, "position_embedding_type": "rotary", "token_dropout": True, "mask_token_id": 64,
    "layer_norm_eps": 1e-5,
}
ESM_1B = ESM | {"position_embedding_type": "absolute", "emb_layer_norm_before": True, "num_hidden_layers": 1}
MODERNBERT = SMALL | {
    "max_position_embeddings": 48, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3, "type_vocab_size": 1,
    "num_hidden_layers": 3, "global_attn_every_n_layers": 2, "local_attention": 7,
}
MODERNBERT_MEAN = MODERNBERT | {
    "norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True, "classifier_pooling": "mean", "classifier_activation": "silu",
    "hidden_activation": "gelu_pytorch_tanh", "global_rope_theta": 500.0, "local_rope_theta": 20.0, "num_hidden_layers": 2,
}
MODERNBERT_NAMES = {
    "settings": {"hidden_dropout_prob": "embedding_dropout", "attention_probs_dropout_prob": "attention_dropout"},
    "modules": {r"attention\\*\.self\\*\.query": "attn.Wqkv", r"attention\\*\.self\\*\.value": "mlp.Wi", "intermediate.dense": "mlp.Wo", "query": "Wqkv", "value": "Wi"},
}
MPNET = SMALL | {"max_position_embeddings": 50, "type_vocab_size": 1, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "layer_norm_eps": 1e-5}
MPNET_NAMES = {
    "settings": {"classifier_dropout": ()},
    "modules": {r"attention\\*\.self\\*\.query": "attention.attn.q", r"attention\\*\.self\\*\.value": "attention.attn.v", '"query"': '"q"', '"value"': '"v"'},
}
DECODER = {
    "hidden_size": 24, "num_attention_heads": 4, "intermediate_size": 28, "num_hidden_layers": 2, "max_position_embeddings": 48,
    "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
}
# Windows are shorter than the rows; head sizes are not hidden size / heads.
LLAMA = DECODER | {"num_key_value_heads": 2, "rms_norm_eps": 1e-3, "attention_bias": True, "mlp_bias": True}
LLAMA_SETTINGS = {"hidden_dropout_prob": (), "attention_probs_dropout_prob": "attention_dropout", "classifier_dropout": ()}
LLAMA_MODULES = {
    r"layer(?=\\*\.)": "layers", r"attention\\*\.self\\*\.query": "self_attn.q_proj", r"attention\\*\.self\\*\.value": "self_attn.v_proj",
    '"query"': '"q_proj"', '"value"': '"v_proj"', "intermediate.dense": "mlp.up_proj", "output.dense": "mlp.down_proj", "word_embeddings": "embed_tokens",
}
LLAMA_NAMES = {"settings": LLAMA_SETTINGS, "modules": LLAMA_MODULES}
WINDOWED = {"attention": "sdpa", "heads": ("single", "lm"), **LLAMA_NAMES}
MISTRAL = DECODER | {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 6, "sliding_window": 5}
QWEN2 = DECODER | {"num_key_value_heads": 2, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}
QWEN3 = QWEN2 | {"head_dim": 10, "attention_bias": True, "layer_types": ["sliding_attention", "full_attention"]}
PHI3 = DECODER | {
    "hidden_size": 32, "num_key_value_heads": 2, "partial_rotary_factor": 0.75, "sliding_window": 6, "rms_norm_eps": 1e-3,
    "rope_scaling": {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.3], "long_factor": [1.2, 2.0, 5.0]}, "max_position_embeddings": 96,
    "original_max_position_embeddings": 48,
}
GEMMA3 = DECODER | {
    "num_key_value_heads": 1, "head_dim": 10, "sliding_window": 4, "sliding_window_pattern": 3, "num_hidden_layers": 3, "query_pre_attn_scalar": 7,
    "rope_theta": 5e4, "rope_local_base_freq": 300.0, "rope_scaling": {"rope_type": "linear", "factor": 4.0}, "attention_bias": True,
}
# Layers: with RoPE and a window, without RoPE, without RoPE but with a window.
SMOLLM3 = DECODER | {
    "num_key_value_heads": 2, "rms_norm_eps": 1e-3, "attention_bias": True, "mlp_bias": True, "num_hidden_layers": 3, "no_rope_layers": [1, 0, 0],
    "rope_theta": 300.0, "use_sliding_window": True, "sliding_window": 4,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
GEMMA3_KINDS = {"ForCausalLM": "Gemma3ForCausalLM"}
GPT2 = DECODER | {"hidden_size": 18, "num_attention_heads": 3, "layer_norm_epsilon": 1e-3}
GPT2_SETTINGS = {
    "intermediate_size": "n_inner", "hidden_dropout_prob": ("resid_pdrop", "embd_pdrop"), "attention_probs_dropout_prob": "attn_pdrop",
}
GPT2_MODULES = {
    r"layer(?=\\*\.)": "h", r"attention\\*\.self\\*\.query": "attn.c_attn", r"attention\\*\.self\\*\.value": "attn.c_proj",
    '"query"': '"c_attn"', '"value"': '"attn.c_proj"', "intermediate.dense": "mlp.c_fc", "output.dense": "mlp.c_proj", "word_embeddings": "wte",
}

FAMILIES = (
    Family("bert", "Bert", texts.word_piece, texts.BERT_TOKENS, BERT, depth=3),
    Family("roberta", "Roberta", texts.byte_level_bpe, texts.ROBERTA_TOKENS, ROBERTA, depth=2),
    Family("xlm-roberta", "XLMRoberta", texts.byte_level_bpe, texts.ROBERTA_TOKENS, XLM_ROBERTA, depth=1, heads=("single",)),
    Family("camembert", "Camembert", texts.byte_level_bpe, texts.ROBERTA_TOKENS, CAMEMBERT, depth=1, heads=("tokens",)),
    Family("distilbert", "DistilBert", texts.word_piece, texts.BERT_TOKENS, DISTILBERT, depth=2, settings=DISTILBERT_SETTINGS, modules=DISTILBERT_MODULES),
    Family("electra", "Electra", texts.word_piece, texts.BERT_TOKENS, ELECTRA, depth=1),
    Family("deberta-v2", "DebertaV2", texts.unigram, texts.BERT_TOKENS, DEBERTA, depth=2, heads=("single", "tokens"), **DEBERTA_NAMES, recipes=(*FEW, "ia3")),
    Family("deberta-v2-xlarge", "DebertaV2", texts.unigram, texts.BERT_TOKENS, DEBERTA_XLARGE, depth=1, heads=("single",), **DEBERTA_NAMES),
    Family("esm", "Esm", texts.word_piece, texts.BERT_TOKENS, ESM, depth=2, heads=("single", "tokens"), recipes=FEW),
    Family("esm-1b", "Esm", texts.word_piece, texts.BERT_TOKENS, ESM_1B, depth=1, heads=("single",)),
    Family("modernbert", "ModernBert", texts.word_piece, texts.BERT_TOKENS, MODERNBERT, depth=2, heads=("single", "tokens"), **MODERNBERT_NAMES, recipes=FEW),
    Family("modernbert-mean", "ModernBert", texts.word_piece, texts.BERT_TOKENS, MODERNBERT_MEAN, depth=1, heads=("single", "tokens"), **MODERNBERT_NAMES),
    Family("mpnet", "MPNet", texts.byte_level_bpe, texts.ROBERTA_TOKENS, MPNET, depth=2, heads=("single", "tokens"), **MPNET_NAMES,
           recipes=(*FEW, "lora-bias-all")),
    Family("gpt2", "GPT2", texts.word_piece_after_one, texts.DECODER_TOKENS, GPT2, depth=2, heads=("single", "tokens", "lm"),
           settings=GPT2_SETTINGS, modules=GPT2_MODULES, kinds={"ForCausalLM": "GPT2LMHeadModel"}),
    Family("llama", "Llama", texts.word_piece_after_one, texts.DECODER_TOKENS, LLAMA, depth=2, heads=("single", "tokens", "lm"),
           **LLAMA_NAMES, recipes=(*FEW, "rslora-patterns", "lora-tables", "dora-tables", "lora-all-linear", "ia3")),
    Family("mistral", "Mistral", texts.word_piece_after_one, texts.DECODER_TOKENS, MISTRAL, depth=1, **WINDOWED, recipes=("ia3",)),
    Family("qwen2", "Qwen2", texts.word_piece_after_one, texts.DECODER_TOKENS, QWEN2, depth=1, **WINDOWED, recipes=("ia3",)),
    Family("qwen3", "Qwen3", texts.word_piece_after_one, texts.DECODER_TOKENS, QWEN3, depth=1, **WINDOWED, recipes=("ia3",)),
    Family("phi3", "Phi3", texts.word_piece_after_one, texts.DECODER_TOKENS, PHI3, depth=1,
           **WINDOWED | {"settings": LLAMA_SETTINGS | {"hidden_dropout_prob": "resid_pdrop"}}, recipes=("lora-all-linear",)),
    Family("gemma3_text", "Gemma3Text", texts.word_piece_after_one, texts.DECODER_TOKENS, GEMMA3, depth=1, kinds=GEMMA3_KINDS, **WINDOWED,
           recipes=("lora-tables", "dora-tables", "ia3")),
    Family("smollm3", "SmolLM3", texts.word_piece_after_one, texts.DECODER_TOKENS, SMOLLM3, depth=1,
           **WINDOWED | {"heads": ("single", "tokens", "lm")}, recipes=("lora-all-linear", "dora", "lora-tables", "ia3")),
)
