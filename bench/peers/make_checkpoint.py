"""Writes a base-size RoBERTa with random weights: arguments are the folder and the number of layers."""

import sys

import torch
import transformers

folder, layers = sys.argv[1], int(sys.argv[2])
torch.manual_seed(0)
config = transformers.RobertaConfig(
    vocab_size=50265,
    num_hidden_layers=layers,
    max_position_embeddings=514,
    type_vocab_size=1,
    layer_norm_eps=1e-5,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
transformers.RobertaForSequenceClassification(config).save_pretrained(folder)
