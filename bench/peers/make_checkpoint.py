"""Writes a base-size RoBERTa with random weights: arguments are the folder, the dropout and, if not 12, the layers."""

import sys

import torch
import transformers

folder, dropout = sys.argv[1], float(sys.argv[2])
layers = int(sys.argv[3]) if len(sys.argv) > 3 else 12
torch.manual_seed(0)
config = transformers.RobertaConfig(
    vocab_size=50265,
    num_hidden_layers=layers,
    max_position_embeddings=514,
    type_vocab_size=1,
    layer_norm_eps=1e-5,
    hidden_dropout_prob=dropout,
    attention_probs_dropout_prob=dropout,
)
transformers.RobertaForSequenceClassification(config).save_pretrained(folder)
