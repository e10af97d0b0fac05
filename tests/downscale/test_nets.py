"""The networks: their sizes, and what moves when their input moves."""

from __future__ import annotations

import pytest
import torch

from typhoon_tracker.downscale import nets, recurrent
from typhoon_tracker.downscale.model import Downscaler, Normalisation, build
from typhoon_tracker.downscale.settings import FLOWCONVGRU, HARD, NETWORKS, SOFTMAX
from typhoon_tracker.errors import InputError

SMALL = {"width": 4, "coarse_shape": (6, 5)}
WIND = Normalisation(mean=[8.0], std=[4.0], low=[0.0], high=[40.0])


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def downscaler(network, constraint, *, factor=2):
    torch.manual_seed(0)
    return Downscaler(build(network, channels=1, factor=factor, **SMALL), WIND, constraint=constraint).eval()


def test_the_sizes_are_those_of_the_public_code():
    """The report prints the generator's 505346 and the discriminator's 286561."""
    assert parameters(nets.CNN(channels=1, factor=4)) == 402_369
    assert parameters(nets.Generator(channels=1, factor=4)) == 505_346
    assert parameters(nets.Discriminator(channels=1)) == 286_561
    assert parameters(recurrent.ConvGRU(channels=1, factor=4)) == 886_785


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_refines_by_every_factor_and_channel(network, factor):
    frames = 2 if network == FLOWCONVGRU else 3
    net = build(network, channels=2, factor=factor, **SMALL).eval()
    with torch.inference_mode():
        x = torch.randn(2, frames, 2, 6, 5)
        if network == FLOWCONVGRU:
            x = torch.cat([x, net.flow(x, x)[:, None]], 1)
        assert net(x).shape == (2, 3, 2, 6 * factor, 5 * factor)


@pytest.mark.parametrize("network", ["cnn", "gan"])
def test_each_frame_is_refined_for_itself(network):
    net = build(network, channels=1, factor=2, **SMALL).eval()
    x, noise = torch.randn(2, 3, 1, 6, 5), torch.randn(2, 3, nets.NOISE)
    with torch.inference_mode():
        torch.testing.assert_close(net(x, noise)[:, 1:2], net(x[:, 1:2], noise[:, 1:2]))


def test_the_gru_looks_back_and_not_ahead():
    net = build("convgru", channels=1, factor=2, **SMALL).eval()
    x = torch.randn(1, 3, 1, 6, 5)
    first, last = x.clone(), x.clone()
    first[:, 0] += 1.0
    last[:, 2] += 1.0
    with torch.inference_mode():
        plain = net(x)
        assert (net(first)[:, 2] - plain[:, 2]).abs().max() > 1e-5
        torch.testing.assert_close(net(last)[:, :2], plain[:, :2])


def test_noise_makes_members_and_the_same_noise_the_same_member():
    net = build("gan", channels=1, factor=2, **SMALL).eval()
    x, noise = torch.randn(1, 1, 1, 6, 5), torch.randn(2, 1, 1, nets.NOISE)
    with torch.inference_mode():
        assert torch.equal(net(x, noise[0]), net(x, noise[0]))
        assert (net(x, noise[0]) - net(x, noise[1])).abs().max() > 1e-4
        assert net(torch.randn(1, 1, 1, 9, 7)).shape[-2:] == (18, 14)  # another grid than in training


def test_the_discriminator_judges_any_grid():
    judge = nets.Discriminator(channels=2)
    assert judge(torch.randn(2, 3, 2, 20, 12)).shape == (6,)
    assert judge(torch.randn(1, 1, 2, 100, 100)).shape == (1,)


def test_the_frame_between_two_equal_ones_is_the_same_and_between_others_within_their_range():
    torch.manual_seed(0)
    flow = recurrent.VoxelFlow(channels=1).eval()
    with torch.inference_mode():
        calm = torch.full((1, 2, 1, 7, 9), 3.0)
        torch.testing.assert_close(flow(torch.randn(1, 2, 1, 7, 9), calm), calm[:, 0])
        fields = torch.rand(1, 2, 1, 7, 9)
        between = flow(fields, fields)
    assert between.min() >= fields.min()
    assert between.max() <= fields.max()


@pytest.mark.parametrize("constraint", HARD)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_conserves_by_every_layer(network, constraint):
    coarse = 30.0 * torch.rand(2, 2, 1, 6, 5)
    with torch.inference_mode():
        model = downscaler(network, constraint)
        fine = model(coarse)
    means = torch.nn.functional.avg_pool2d(fine.flatten(0, 1), 2).unflatten(0, fine.shape[:2])
    torch.testing.assert_close(model.given(means), coarse, rtol=1e-5, atol=1e-5)
    assert fine.shape[1] == (3 if network == FLOWCONVGRU else 2)
    assert constraint != SOFTMAX or (fine >= 0).all()


def test_every_frame_is_normalised_alike_the_one_between_included(monkeypatch):
    """The report's unconstrained FlowConvGRU failed because two frames were scaled and the made one was not."""
    model, seen = downscaler(FLOWCONVGRU, "none"), []
    plain = type(model.net).forward
    monkeypatch.setattr(type(model.net), "forward", lambda self, x, noise=None: seen.append(x) or plain(self, x))
    with torch.inference_mode():
        model(torch.full((1, 2, 1, 6, 5), 12.0))
    torch.testing.assert_close(seen[0], torch.ones(1, 3, 1, 6, 5))


def test_interpolation_goes_between_the_centres_of_the_cells():
    """Bilinear keeps a plane; torch's bicubic keeps a constant and the plane's antisymmetry, but no plane."""
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")
    plane, place = (2 * y - x)[None, None, None], (torch.arange(12.0) + 0.5) / 2 - 0.5
    found = nets.Interpolation("bilinear", factor=2)(plane)[0, 0, 0]
    torch.testing.assert_close(found[1:-1, 1:-1], (2 * place[:, None] - place)[1:-1, 1:-1])
    bicubic = nets.Interpolation("bicubic", factor=2)
    torch.testing.assert_close(bicubic(torch.full((1, 1, 1, 3, 3), 7.0)), torch.full((1, 1, 1, 6, 6), 7.0))
    centred = bicubic(plane - plane.mean())
    torch.testing.assert_close(centred.flip(-1, -2), -centred, atol=1e-5, rtol=0)


def test_factors_and_names_that_do_not_fit_are_told():
    with pytest.raises(InputError, match="by a power of two, not by 3; give 2, 4 or 8"):
        build("cnn", channels=1, factor=3, **SMALL)
    with pytest.raises(InputError, match="unknown network 'unet'; known: cnn, gan"):
        build("unet", channels=1, factor=2, **SMALL)
