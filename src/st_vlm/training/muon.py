"""Muon for a model's matrices, AdamW for the rest: small models trained from nothing learn to attend sooner by it.

The update of a matrix is its momentum with all singular values brought near one (Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon/), scaled to the size of AdamW's (Liu et al. 2025, arXiv 2502.16982), so
that learning rates of either are alike. `torch.optim.Muon` computes it in bfloat16, which most CPUs do slowly, and
matrix by matrix; here it is float32 on a CPU, and matrices of one shape go together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim.adamw import adamw

MOMENTUM = 0.95
_STEPS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_RMS_OF_ADAMW = 0.2


class MuonAdamW(torch.optim.Optimizer):
    """One optimizer with two kinds of parameter groups: those with `use_muon` hold matrices, the others go by AdamW.

    Args:
        groups: Parameter groups; `use_muon`, `lr` and `weight_decay` in each.
        betas, eps: Of AdamW.
    """

    def __init__(self, groups: Iterable[dict], betas: tuple[float, float] = (0.9, 0.98), eps: float = 1e-8) -> None:
        super().__init__(groups, {"use_muon": False, "lr": 1e-3, "weight_decay": 0.0, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        """One step; parameters without a gradient stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            with_gradient = [p for p in group["params"] if p.grad is not None]
            if group["use_muon"]:
                self._step_matrices(group, with_gradient)
            elif with_gradient:
                self._step_adam(group, with_gradient)
        return loss

    def _step_matrices(self, group: dict, parameters: list[torch.Tensor]) -> None:
        of_shape: dict[tuple, list[torch.Tensor]] = {}
        for parameter in parameters:
            of_shape.setdefault((parameter.shape, parameter.device), []).append(parameter)
        for alike in of_shape.values():
            directions = []
            for parameter in alike:
                momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                momentum.lerp_(parameter.grad, 1 - MOMENTUM)
                directions.append(parameter.grad.lerp(momentum, MOMENTUM))
            size = group["lr"] * _RMS_OF_ADAMW * math.sqrt(max(alike[0].shape))
            for parameter, update in zip(alike, orthogonalised(torch.stack(directions)), strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update.to(parameter.dtype), alpha=-size)

    def _step_adam(self, group: dict, parameters: list[torch.Tensor]) -> None:
        states = [self.state[parameter] for parameter in parameters]
        for state, parameter in zip(states, parameters, strict=True):
            if not state:
                state["step"] = torch.tensor(0.0)
                state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        adamw(
            parameters,
            [parameter.grad for parameter in parameters],
            [state["mean"] for state in states],
            [state["square"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """(N, rows, columns) matrices with their singular values brought to between about 0.7 and 1.2.

    Newton-Schulz iteration with the coefficients of Jordan et al.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    work = matrices.mT if tall else matrices
    work = work.float() if work.device.type == "cpu" else work.bfloat16()
    work = work / work.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_STEPS):
        gram = work @ work.mT
        work = a * work + (b * gram + c * gram @ gram) @ work
    return work.mT if tall else work


def muon_groups(model: nn.Module, muon_lr: float, lr: float, weight_decay: float) -> list[dict]:
    """Parameter groups: matrices of hidden layers for Muon; embeddings, head, convolutions, biases, norms for AdamW.

    Args:
        model: Parameters that are not trained are left out.
        muon_lr, lr: Learning rates of the one and the other.
        weight_decay: Of all but biases and norms.
    """
    tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    head = model.get_output_embeddings()
    outer = {id(weight) for weight in (*tables, *(() if head is None else head.parameters()))}
    trained = [p for p in model.parameters() if p.requires_grad]
    inner = [p for p in trained if p.ndim == 2 and id(p) not in outer]
    chosen = {id(p) for p in inner}
    others = [p for p in trained if p.ndim > 1 and id(p) not in chosen]
    groups = [
        {"params": inner, "use_muon": True, "lr": muon_lr, "weight_decay": weight_decay},
        {"params": others, "use_muon": False, "lr": lr, "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "use_muon": False, "lr": lr, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
