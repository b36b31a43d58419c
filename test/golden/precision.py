"""transformers computes Llama's norms and softmax in float32 for every dtype. This patch keeps those of a float64 model in float64."""

import torch
from torch import nn
from transformers.models.llama.modeling_llama import LlamaRMSNorm


def norm_in_own_dtype(self: LlamaRMSNorm, hidden_states: torch.Tensor) -> torch.Tensor:
    variance = hidden_states.pow(2).mean(-1, keepdim=True)
    return self.weight * (hidden_states * torch.rsqrt(variance + self.variance_epsilon))


def keep_float64() -> None:
    norm, softmax = LlamaRMSNorm.forward, nn.functional.softmax
    LlamaRMSNorm.forward = lambda self, x: (norm_in_own_dtype if x.dtype == torch.float64 else norm)(self, x)
    nn.functional.softmax = lambda x, dim=None, dtype=None, **rest: softmax(x, dim=dim, dtype=None if x.dtype == torch.float64 else dtype, **rest)
