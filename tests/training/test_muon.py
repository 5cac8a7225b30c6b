"""The optimizer for small models, against torch's own."""

import pytest
import torch
from torch import nn

from st_vlm.models.tiny import make_tiny
from st_vlm.training.muon import MuonAdamW, muon_groups, orthogonalised


def parameter(seed, *shape):
    return nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)))


def gradients(step, parameters):
    for number, one in enumerate(parameters):
        one.grad = torch.randn(one.shape, generator=torch.Generator().manual_seed(100 * step + number))


@pytest.mark.parametrize("shape", [(64, 24), (24, 64), (32, 32)])
def test_updates_have_singular_values_near_one_in_the_gradients_directions(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    there = orthogonalised(matrices)
    assert torch.linalg.svdvals(there).min() > 0.5
    assert torch.linalg.svdvals(there).max() < 1.3
    off = left.mT @ there @ right.mT
    off -= torch.diag_embed(torch.diagonal(off, dim1=-2, dim2=-1))
    assert off.abs().max() < 1e-3


def test_matrices_go_as_by_torchs_muon():
    ours, theirs = ([parameter(k, *shape) for k, shape in enumerate([(48, 16), (16, 48), (48, 16)])] for _ in range(2))
    mine = MuonAdamW([{"params": ours, "use_muon": True, "lr": 0.01, "weight_decay": 0.1}])
    reference = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    before = [one.detach().clone() for one in ours]
    for step in range(3):
        for optimizer, parameters in ((mine, ours), (reference, theirs)):
            gradients(step, parameters)
            optimizer.step()
    for one, other, start in zip(ours, theirs, before, strict=True):
        # torch computes in bfloat16, which has three digits.
        assert (one - other).norm() < 0.03 * (one - start).norm()


def test_the_rest_goes_as_by_torchs_adamw():
    ours, theirs = ([parameter(k, *shape) for k, shape in enumerate([(7,), (5, 3)])] for _ in range(2))
    mine = MuonAdamW([{"params": ours, "lr": 0.01, "weight_decay": 0.1}], betas=(0.9, 0.98))
    reference = torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1, betas=(0.9, 0.98))
    for step in range(5):
        for optimizer, parameters in ((mine, ours), (reference, theirs)):
            gradients(step, parameters)
            optimizer.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_a_models_parameters_are_in_one_group_each_and_its_vocabulary_not_with_muon():
    model, _ = make_tiny()
    model.model.track_encoder.requires_grad_(False)
    groups = muon_groups(model, 0.01, 0.002, 0.1)
    grouped = [id(one) for group in groups for one in group["params"]]
    assert sorted(grouped) == sorted(id(one) for one in model.parameters() if one.requires_grad)
    by_muon = {id(one) for group in groups if group["use_muon"] for one in group["params"]}
    assert id(model.get_input_embeddings().weight) not in by_muon
    assert id(model.model.language_model.layers[0].self_attn.q_proj.weight) in by_muon
    assert all(one.ndim == 2 for group in groups if group["use_muon"] for one in group["params"])


def test_a_frozen_parameter_stays():
    still, moving = parameter(0, 4, 4), parameter(1, 4, 4)
    before = still.detach().clone()
    optimizer = MuonAdamW([{"params": [still, moving], "use_muon": True, "weight_decay": 0.5}])
    moving.grad = torch.ones(4, 4)
    optimizer.step()
    assert torch.equal(still, before)
    assert not torch.equal(moving, parameter(1, 4, 4))
