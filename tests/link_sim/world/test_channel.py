import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config

from link_sim.scenarios.loading import ScenarioError, load_scenario
from link_sim.world.channel import (
    Channel,
    add_noise,
    apply_channel,
    covariances,
)

pytestmark = pytest.mark.usefixtures("eager")

SMALL = ["grid.fft_size=24", "antennas.receive=4"]


def channel(*overrides, grids=1):
    return Channel(load_scenario("image", [*SMALL, *overrides]), grids)


def test_noise_has_variance_no_and_half_of_it_per_real_part():
    config.seed = 1
    no = tf.constant([0.1, 3.0])
    noise = add_noise(tf.zeros([2, 100_000], tf.complex64), no).numpy()
    for row, variance in zip(noise, no.numpy(), strict=True):
        # the mean of N squares of a Gaussian has relative deviation sqrt(2 / N)
        for part in (row.real, row.imag):
            assert abs(part.var() / (variance / 2) - 1) < 5 * np.sqrt(2 / 100_000)
    assert abs(np.mean(noise[1].real * noise[1].imag)) < 5 * 1.5 / np.sqrt(100_000)


def test_the_channel_is_applied_as_a_sum_over_streams():
    rng = np.random.default_rng(0)
    h = rng.standard_normal([2, 1, 3, 1, 2, 4, 5]).astype("complex64")
    x = rng.standard_normal([2, 1, 2, 4, 5]).astype("complex64")
    y = apply_channel(x, h).numpy()
    for antenna in range(3):
        expected = sum(h[:, 0, antenna, 0, s] * x[:, 0, s] for s in range(2))
        assert np.allclose(y[:, 0, antenna], expected, atol=1e-5)


@pytest.mark.parametrize("model", ["cdl-a", "umi", "uma"])
def test_mean_channel_energy_is_one_per_frame(model):
    h = channel(f"channel.model={model}")(3).numpy()
    energy = np.sum(np.abs(h) ** 2, axis=4).mean(axis=(1, 2, 3, 4, 5))
    assert np.allclose(energy, 1, atol=1e-4)


@pytest.mark.slow
@pytest.mark.graphs
@pytest.mark.parametrize("model", ["uma", "rma"])
def test_drops_are_drawn_in_graphs_too(model):
    draw = tf.function(channel(f"channel.model={model}"), autograph=False)
    assert np.all(np.isfinite(draw(tf.constant(2))))


@pytest.mark.parametrize("model", ["rayleigh", "tdl-a"])
def test_mean_channel_energy_is_one_on_average(model):
    config.seed = 1
    frames = 2000
    h = channel(f"channel.model={model}", "antennas.receive=2")(frames).numpy()
    energy = np.sum(np.abs(h) ** 2, axis=4).mean(axis=(1, 2, 3, 4, 5))
    # 4 independent coefficients of at most exponential energy a frame
    assert abs(energy.mean() - 1) < 4 * np.sqrt(1 / (4 * frames))


def test_every_frame_of_every_batch_is_a_fresh_drop():
    draw = tf.function(channel("channel.model=umi")._impulse_responses)
    config.seed = 1
    frames = [draw(tf.constant(8), 1, tf.constant(1e3)) for _ in range(2)]
    delays = np.concatenate([tau[:, 0, 0].numpy() for _, tau in frames])
    gains = np.concatenate([a[:, 0, :, 0, 0, :, 0].numpy() for a, _ in frames])
    strongest = np.abs(gains[:, 0]).argmax(axis=1)
    rows = np.arange(len(gains))
    # antennas 0 and 1 are half a wavelength apart: their phase difference is the angle
    ratio = gains[rows, 1, strongest] / gains[rows, 0, strongest]
    spread = np.where(delays < 0.5, delays, 0).max(axis=1)  # absent paths: 1 second
    assert len(np.unique(np.round(np.angle(ratio), 4))) == 16
    assert len(np.unique(np.round(spread * 1e9, 3))) == 16
    config.seed = 1
    assert np.array_equal(draw(tf.constant(8), 1, tf.constant(1e3))[1], frames[0][1])


def test_a_frame_of_several_grids_is_one_fading_process():
    block = channel("channel.model=rayleigh", grids=3)(2).numpy()
    assert block.shape[0] == 6
    assert np.allclose(block[:3], block[0]) and not np.allclose(block[0], block[3])
    moving = channel("channel.model=tdl-a", "channel.speed=30", grids=2)(1).numpy()
    steps = np.abs(np.diff(moving, axis=5)).mean()
    join = np.abs(moving[1, ..., 0, :] - moving[0, ..., -1, :]).mean()
    apart = np.abs(moving[1] - moving[0]).mean()
    assert 0.5 * steps < join < 2 * steps < apart


def cir_file(path, a=None, tau=None):
    rng = np.random.default_rng(0)
    shape = 5, 4, 2, 3, 1
    default = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    a = default if a is None else a
    np.savez(path, a=a, tau=rng.uniform(0, 1e-6, (5, 3)) if tau is None else tau)
    return f"channel.file={path}"


def test_impulse_responses_of_a_file_give_their_frequency_response(tmp_path):
    path = cir_file(tmp_path / "cir.npz")
    h = channel("channel.model=cir", path)(20).numpy()
    a, tau = (np.load(tmp_path / "cir.npz")[key] for key in ("a", "tau"))
    frequencies = (np.arange(24) - 12) * 30e3
    tau -= tau.min(axis=1, keepdims=True)
    phases = np.exp(-2j * np.pi * frequencies * tau[..., None])  # [example, path, f]
    responses = np.einsum("ertp,epf->ertf", a[..., 0], phases)
    used = [*range(4, 12), *range(13, 21)]  # neither guards nor the one at zero
    responses /= np.sqrt(2 * np.mean(np.abs(responses[..., used]) ** 2))
    for frame in h[:, 0, :, 0]:
        differences = np.abs(frame[:, :, 0] - responses).max(axis=(1, 2, 3))
        assert differences.min() < 1e-4
        assert np.allclose(frame, frame[:, :, :1])


def test_an_unfit_file_is_answered_in_one_sentence(tmp_path):
    nan = np.full([5, 4, 2, 3, 1], np.nan + 0j)
    (tmp_path / "text.npz").write_text("no arrays")
    cases = {
        "shape": cir_file(tmp_path / "shape.npz", a=np.ones([5, 3, 2, 3, 1]) + 0j),
        "real": cir_file(tmp_path / "real.npz", a=np.ones([5, 4, 2, 3, 1])),
        "tau": cir_file(tmp_path / "tau.npz", tau=np.zeros([5, 2])),
        "nan": cir_file(tmp_path / "nan.npz", a=nan),
        "silent": cir_file(tmp_path / "silent.npz", a=0 * np.ones(nan.shape) + 0j),
        "faint": cir_file(tmp_path / "faint.npz", a=np.full(nan.shape, 1e-320 + 0j)),
        "late": cir_file(tmp_path / "late.npz", tau=np.full([5, 3], -1.0)),
        "nanoseconds": cir_file(tmp_path / "nanoseconds.npz", tau=np.full([5, 3], 90)),
        "text": f"channel.file={tmp_path / 'text.npz'}",
        "missing": f"channel.file={tmp_path / 'missing.npz'}",
    }
    for name, override in cases.items():
        with pytest.raises(ScenarioError, match=f"{name}.npz"):
            channel("channel.model=cir", override)


def test_too_few_time_steps_are_refused(tmp_path):
    a = np.ones([5, 4, 2, 3, 10]) + 0j
    path = cir_file(tmp_path / "short.npz", a=a)
    with pytest.raises(ScenarioError, match="10 time steps, a frame takes 14"):
        channel("channel.model=cir", path)(2)


@pytest.mark.parametrize("grids", [1, 3])
def test_covariances_have_the_energy_of_the_channel(grids):
    def draw(frames):
        return tf.fill([frames * grids, 1, 2, 1, 1, 4, 5], tf.constant(2.0 + 0j))

    time, frequency, space = covariances(draw, 64)
    np.testing.assert_allclose(time, np.full((4, 4), 4.0), rtol=1e-5)
    np.testing.assert_allclose(frequency, np.ones((5, 5)), rtol=1e-5)
    np.testing.assert_allclose(space, np.ones((2, 2)), rtol=1e-5)


def test_covariances_that_memory_does_not_hold_are_answered_in_one_sentence():
    def draw(frames):
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory")

    with pytest.raises(ScenarioError, match="do not fit in memory: lower antennas"):
        covariances(draw)


@pytest.mark.parametrize("carriers", [24, 16])
def test_frequency_responses_of_a_file_go_straight_in(tmp_path, carriers):
    rng, used = np.random.default_rng(0), [*range(4, 12), *range(13, 21)]
    h = rng.standard_normal((5, 4, 2, carriers, 14, 2)) @ [1, 1j]
    np.savez(tmp_path / "cfr.npz", h=h, spacing=30e3)
    drawn = channel("channel.model=cfr", f"channel.file={tmp_path / 'cfr.npz'}")(20)
    known = np.moveaxis(h[:, :, :, used] if carriers == 24 else h, 3, 4)
    # delays of white responses are any: what is common to each example is taken off
    turns = np.arange(-12, 12)[:, None] * (np.array(used) - 12) / 17
    known = (known[:, None] * np.exp(2j * np.pi * turns)[:, None, None, None]).reshape(
        -1, *known.shape[1:]
    )
    known = known / np.sqrt(2 * np.mean(np.abs(known) ** 2))
    drawn = drawn.numpy()[:, 0, :, 0][..., used]
    gaps = np.abs(drawn[:, None] - known).max(axis=(2, 3, 4, 5))
    assert gaps.min(axis=1).max() < 1e-5


@pytest.mark.parametrize(
    "h, spacing, named",
    [
        ((5, 4, 2, 24, 1), 15e3, "15000.* Hz apart, the grid 30000 Hz"),
        ((5, 4, 2, 23, 1), 30e3, "23 subcarriers: supply all 24 .* or the 16 used"),
        ((5, 4, 2, 24), 30e3, "has shape .*5, 4, 2, 24.* must be complex"),
        ((5, 4, 2, 24, 7), 30e3, "7 time steps, a frame takes 14"),
    ],
)
def test_unfit_frequency_responses_are_answered(tmp_path, h, spacing, named):
    np.savez(tmp_path / "cfr.npz", h=np.ones(h) + 0j, spacing=spacing)
    with pytest.raises(ScenarioError, match=named):
        channel("channel.model=cfr", f"channel.file={tmp_path / 'cfr.npz'}")
