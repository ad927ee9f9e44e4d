"""Codecs: water-filling, words that fit, and fields that words alone tell."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from link_sim.receivers import catalog
from link_sim.receivers.entries import build_block
from link_sim.receivers.estimation.gridless import Found
from link_sim.receivers.feedback.codecs import (
    GenieCodec,
    Modes,
    PathModes,
    TransformCodec,
    reproduced,
)
from link_sim.receivers.feedback.path_words import OCTAVES, PathWords
from link_sim.receivers.feedback.transform import water_level
from link_sim.receivers.feedback.trellis import MOST
from link_sim.scenarios.feedback import OWN

CODECS = [name for name in catalog.FEEDBACK if name not in (*OWN, "autoencoder")]
FEWER = {"mixture": "mixture-4", "sequential": "sequential-4"}
SHAPE = 4, 8


def normal(rng, *shape):
    return (rng.standard_normal((*shape, 2)) @ [1, 1j]) / np.sqrt(2)


def sums_of_waves(rng, size, paths=3):
    """Fields of few paths, of power one in the mean."""
    turns = rng.random((2, size, paths, 1)) * [[[[1]]], [[[0.3]]]]
    left, right = (
        np.exp(2j * np.pi * turn * np.arange(n))
        for turn, n in zip(turns, SHAPE, strict=True)
    )
    gain = normal(rng, size, paths, 1) * np.sqrt([[4], [1], [0.2]]) / np.sqrt(5.2)
    return np.swapaxes(left * gain, 1, 2) @ right


@cache
def built(name):
    learned = sums_of_waves(np.random.default_rng(0), 60)
    context = SimpleNamespace(learned=lambda: learned, everywhere=lambda: learned)
    return build_block(catalog.FEEDBACK, FEWER.get(name, name), context)


def test_the_autoencoder_refuses_fields_of_another_shape():
    with pytest.raises(ValueError, match="16 antennas and 64 subcarriers, .* 4 and 8"):
        built("autoencoder")


def ends(shape=SHAPE):
    return [0.7 ** np.abs(np.subtract.outer(*[np.arange(n)] * 2)) for n in shape]


def gaussian(rng, size, shape=SHAPE):
    left, right = map(np.linalg.cholesky, ends(shape))
    return left @ normal(rng, size, *shape) @ right.T


@pytest.mark.parametrize("bits", [0.5, 1, 2, 3, 10])
def test_water_is_filled_as_for_two_variances_by_hand(bits):
    a, b = 4.0, 1.0  # the second is told from log2(a / b) = 2 bits on
    expected = a / 2**bits if bits <= 2 else np.sqrt(a * b / 2**bits)
    assert water_level(np.array([a, b, 0.0]), bits) == pytest.approx(expected)


def test_water_does_not_run_out_at_very_many_bits():
    assert water_level(np.array([4.0, 1.0]), 1e6) == pytest.approx(4e-12)
    assert water_level(np.zeros(2), 10) == 0


def test_the_test_channel_has_the_distortion_of_the_function():
    rng, modes = np.random.default_rng(1), Modes(*ends())
    h = gaussian(rng, 1000)
    h_hat = reproduced(h, 20, [modes] * 1000, normal(rng, 1000, 32))
    error = np.sum(np.abs(h - h_hat) ** 2, axis=(1, 2))
    level = water_level(modes.variances, 20)
    exact = np.minimum(modes.variances, level).sum()
    assert error.mean() == pytest.approx(exact, abs=4 * error.std() / np.sqrt(1000))


@pytest.mark.parametrize("bits", [128, pytest.param(512, marks=pytest.mark.slow)])
def test_gaussian_fields_lose_less_than_a_decibel_to_the_bound(bits):
    rng, shape = np.random.default_rng(2), (16, 16)
    modes = Modes(*ends(shape))
    h, bases = gaussian(rng, 60, shape), [modes] * 60
    codec = GenieCodec()
    h_hat = codec.decode(codec.encode(h, bits, bases), bits, bases)
    error = np.sum(np.abs(h - h_hat) ** 2, axis=(1, 2))
    exact = np.minimum(modes.variances, water_level(modes.variances, bits)).sum()
    margin = 3 * error.std() / np.sqrt(60)
    assert error.mean() + margin > exact
    assert error.mean() - margin < exact * 10**0.1


def test_modes_of_paths_are_those_of_their_covariance():
    rng = np.random.default_rng(3)
    waves = normal(rng, 3, 4), normal(rng, 3, 8)
    powers = np.array([1.0, 0.5, 0.1])
    modes = PathModes(powers, waves)
    columns = np.einsum("pa,pc->acp", *waves).reshape(32, 3)
    covariance = (columns * powers) @ columns.conj().T
    np.testing.assert_allclose(
        np.linalg.eigvalsh(covariance)[:-4:-1], modes.variances, rtol=1e-9
    )
    h = (columns @ normal(rng, 3)).reshape(1, 4, 8)
    np.testing.assert_allclose(modes.field(modes.of(h)[0]), h[0], atol=1e-9)


@pytest.mark.parametrize(
    "bits", [16, *(pytest.param(n, marks=pytest.mark.slow) for n in (48, 300))]
)
@pytest.mark.parametrize("name", CODECS)
def test_words_fit_and_alone_tell_the_fields(name, bits):
    codec, h = built(name), sums_of_waves(np.random.default_rng(4), 4)
    words = codec.encode(h, bits)
    assert max(map(len, words)) <= bits and set("".join(words)) <= {"0", "1"}
    h_hat = codec.decode(words, bits)
    assert h_hat.shape == h.shape
    alone = codec.decode(codec.encode(h[2:3], bits), bits)
    np.testing.assert_allclose(alone[0], h_hat[2], atol=1e-9)
    if bits == 300:  # 9 bits a number
        assert np.sum(np.abs(h - h_hat) ** 2) < 0.02 * np.sum(np.abs(h) ** 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", CODECS)
def test_more_bits_tell_more(name):
    codec, h = built(name), sums_of_waves(np.random.default_rng(5), 20)
    few, some, many = (
        np.sum(np.abs(h - codec.decode(codec.encode(h, bits), bits)) ** 2)
        for bits in (24, 64, 256)
    )
    assert many < some < few < np.sum(np.abs(h) ** 2)


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_even_the_fewest_bits_are_a_word(bits):
    codec = TransformCodec([(1.0, *ends())])
    h = 5 * gaussian(np.random.default_rng(6), 20)
    assert max(map(len, codec.encode(h, bits))) <= bits


@pytest.mark.slow
def test_few_bits_tell_more_of_paths_by_paths():
    h = sums_of_waves(np.random.default_rng(7), 40)
    left = {}
    for name in ("transform", "paths"):
        codec = built(name)
        h_hat = codec.decode(codec.encode(h, 64), 64)
        left[name] = np.sum(np.abs(h - h_hat) ** 2)
    assert left["paths"] < left["transform"] / 2


def users_of_paths(rng, size, paths):
    """Fields of paths with Gaussian gains, and the modes of each."""
    fields, bases = [], []
    for _ in range(size):
        waves = [
            np.exp(2j * np.pi * rng.random((paths, 1)) * np.arange(n)) for n in SHAPE
        ]
        powers = np.full(paths, 1 / paths)
        gain = normal(rng, paths) / np.sqrt(paths)
        fields.append(np.einsum("p,pa,pc->ac", gain, *waves))
        bases.append(PathModes(powers, waves))
    return np.stack(fields), bases


def left_db(codec, h, bits, *known):
    words = codec.encode(h, bits, *known)
    assert max(map(len, words)) <= bits
    error = np.abs(h - codec.decode(words, bits, *known)) ** 2
    return 10 * np.log10(error.sum() / np.sum(np.abs(h) ** 2))


MANY = 64, 256, 1024, 4096, 65536
FINEST_DB = 10 * np.log10((4 / MOST) ** 2 / 3)
"""Error of levels without a trellis at the finest step, over the largest variance."""


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 8), (4, 8)])
def test_distortion_does_not_rise_with_bits(shape):
    codec = TransformCodec([(1.0, *ends(shape))])
    h = gaussian(np.random.default_rng(8), 10, shape)
    left = [left_db(codec, h, bits) for bits in MANY]
    largest = 10 * np.log10(Modes(*ends(shape)).variances[0])  # over their mean
    assert np.all(np.diff(left) < 0.05) and left[-1] < largest + FINEST_DB


@pytest.mark.slow
@pytest.mark.parametrize("paths", [1, 5])
def test_distortion_of_known_paths_does_not_rise_with_bits(paths):
    h, bases = users_of_paths(np.random.default_rng(9), 10, paths)
    left = [left_db(GenieCodec(), h, bits, bases) for bits in MANY]
    most = 10 * np.log10(paths)  # the largest variance over their mean
    assert np.all(np.diff(left) < 0.05) and left[-1] < most + FINEST_DB


@pytest.mark.parametrize("paths, bits, bar_db", [(1, 16, -30), (3, 64, -45)])
def test_few_strong_components_get_the_bits_they_have(paths, bits, bar_db):
    h, bases = users_of_paths(np.random.default_rng(10), 20, paths)
    assert left_db(GenieCodec(), h, bits, bases) < bar_db


def test_a_user_without_energy_is_told_as_nothing():
    basis = PathModes(np.zeros(2), [np.ones((2, n)) for n in SHAPE])
    words = GenieCodec().encode(np.zeros((1, *SHAPE)), 64, [basis])
    assert words == [""]
    assert not np.any(GenieCodec().decode(words, 64, [basis]))


def test_fields_that_are_not_finite_are_refused():
    h = gaussian(np.random.default_rng(11), 2)
    h[1, 0, 0] = np.nan
    with pytest.raises(ValueError, match="h is not finite everywhere"):
        TransformCodec([(1.0, *ends())]).encode(h, 16)


@pytest.mark.parametrize("octave", range(OCTAVES))
def test_cells_of_many_carriers_have_frequencies_above_zero(octave):
    nothing = Found(np.zeros((1, 1, 2)), np.zeros((1, 1)))
    for starts in PathWords(nothing, (256, 1024))._cell_starts(octave):
        assert np.diff(starts).min() >= 1 and starts[-1] <= 1 << 24
