"""Writes a checkpoint with random weights and no dropout. Arguments: the folder, the name of the model whose sizes it takes, and
the number of layers. Language models are in bfloat16, as published, and have no end-of-sequence token.
"""

import sys

import torch
import transformers


def roberta(layers):
    config = transformers.RobertaConfig(
        vocab_size=50265,
        num_hidden_layers=layers,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return transformers.RobertaForSequenceClassification(config)


def smollm2(layers):
    config = transformers.LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=layers,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        rope_theta=100000.0,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )
    return transformers.LlamaForCausalLM(config).to(torch.bfloat16)


def gpt2(layers):
    config = transformers.GPT2Config(
        n_layer=layers,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    return transformers.GPT2LMHeadModel(config).to(torch.bfloat16)


def llama(layers):
    config = transformers.LlamaConfig(
        vocab_size=128256,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        rope_theta=500000.0,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )
    return transformers.LlamaForCausalLM(config).to(torch.bfloat16)


def tinyllama(layers):
    config = transformers.LlamaConfig(
        vocab_size=32000,
        hidden_size=2048,
        intermediate_size=5632,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    torch.set_default_dtype(torch.bfloat16)
    return transformers.LlamaForCausalLM(config)


MODELS = {"roberta": roberta, "smollm2": smollm2, "gpt2": gpt2, "llama": llama, "tinyllama": tinyllama}

folder, name, layers = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.manual_seed(0)
MODELS[name](layers).save_pretrained(folder)
