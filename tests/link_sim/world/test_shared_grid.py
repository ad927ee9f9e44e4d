import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config

from link_sim.receivers.catalog import ESTIMATORS
from link_sim.receivers.entries import build_block
from link_sim.scenarios.loading import ScenarioError, load_scenario
from link_sim.world.shared_grid import SharedGrid, noise_variance

pytestmark = pytest.mark.usefixtures("eager")

RNG = np.random.default_rng(0)


def semantic(*overrides):
    return load_scenario("semantic", list(overrides))


MIMO = "antennas.transmit=2", "antennas.streams=2", "antennas.receive=4"
TDL = *MIMO, "channel.model=tdl-a"


def symbols(frames, users, count):
    parts = RNG.choice([1, -1], (2, frames, users, count)) / np.sqrt(2)
    return (parts[0] + 1j * parts[1]).astype("complex64")


def exchange(grid, x, esno_db, estimator="perfect-csi", alone=False):
    no = noise_variance(esno_db)
    h = grid.draw_channel(tf.shape(x)[0])
    y = grid.send(x, h, grid.noise(h, no))
    known = grid.remove_nulled(h), tf.zeros([1] * 7)
    block = build_block(ESTIMATORS, estimator, grid)
    channel = block(y, no) if block else known
    found = grid.receive(y, *channel, no, alone=alone)
    return tuple(z.numpy() for z in found)


@pytest.mark.parametrize("overrides, count", [((), 64), ((), 1100), (MIMO, 3000)])
def test_symbols_come_back_in_their_places(overrides, count):
    grid, x = SharedGrid(semantic(*overrides), count), symbols(3, 1, count)
    x_hat, no_eff = exchange(grid, x, 90.0)
    np.testing.assert_allclose(x_hat, x, atol=1e-3)
    assert no_eff.shape == (3, 1, count)


def test_pilots_are_as_far_apart_as_asked():
    spaced, x = semantic("grid.pilot_spacing=4", *MIMO), symbols(3, 1, 3000)
    full, grid = (SharedGrid(s, 3000) for s in (semantic(*MIMO), spaced))
    # 44 subcarriers of each stream: 11 of them keep their pilots, in 2 symbols
    freed = grid.resource_grid.num_data_symbols - full.resource_grid.num_data_symbols
    assert freed == 2 * 2 * (44 - 11)
    for estimator in ("perfect-csi", "ls"):
        x_hat, _ = exchange(grid, x, 90.0, estimator)
        np.testing.assert_allclose(x_hat, x, atol=1e-3)


@pytest.mark.parametrize("esno_db", [0.0, 7.0, 20.0])
def test_noise_has_the_stated_variance_over_awgn(esno_db):
    config.seed = 1
    count, frames = 512, 40
    grid, x = SharedGrid(semantic(), count), symbols(frames, 1, count)
    x_hat, no_eff = exchange(grid, x, esno_db)
    stated = 10 ** (-esno_db / 10)
    np.testing.assert_allclose(no_eff, stated, rtol=1e-5)
    error = np.ravel(x_hat - x)
    # 20,480 complex Gaussian errors: standard error of their variance 1 / sqrt(N), of
    # that of each real part sqrt(2 / N); a 3 dB mistake is a factor of 2
    spread = 4 / np.sqrt(error.size)
    assert abs(np.mean(np.abs(error) ** 2) / stated - 1) < spread
    for part in (error.real, error.imag):
        assert abs(np.mean(part**2) / (stated / 2) - 1) < spread * np.sqrt(2)


@pytest.mark.parametrize("overrides", [("channel.model=rayleigh",), TDL])
@pytest.mark.parametrize("users", [1, 2])
@pytest.mark.parametrize("estimator", ["perfect-csi", "ls"])
def test_no_eff_is_the_error_variance(overrides, users, estimator):
    config.seed = 2
    scenario = semantic(f"users={users}", *overrides)
    grid = SharedGrid(scenario, 400)
    x = symbols(60, users, 400 // grid.spread)
    x_hat, no_eff = exchange(grid, x, 10.0, estimator)
    ratio = np.abs(x_hat - x) ** 2 / no_eff
    per_frame = ratio.mean(axis=(1, 2))
    error = 4 * per_frame.std() / np.sqrt(len(per_frame))
    # estimates are linear between pilots, so that their error is not all accounted for
    assert abs(per_frame.mean() - 1) < error + (
        0 if estimator == "perfect-csi" else 0.5
    )


@pytest.mark.parametrize("users, receive", [(2, 1), (2, 2), (3, 1), (4, 1)])
def test_codes_keep_users_apart_over_awgn(users, receive):
    config.seed = 3
    offsets = [3.0 * u for u in range(users)]
    analog = 'receivers=["ls+ae"]', "grid.guard_carriers=[4, 7]"  # 84 carriers
    powers = f"power_offsets={offsets}", f"antennas.receive={receive}"
    scenario = semantic(f"users={users}", *powers, *analog)
    grid, x = SharedGrid(scenario, 60), symbols(200, users, 60 // users)
    assert grid.spread == users
    x_hat, no_eff = exchange(grid, x, 10.0)
    # the energy of all chips at all antennas, and of nobody else
    stated = 0.1 / users / receive / 10 ** (np.array(offsets) / 10)
    np.testing.assert_allclose(no_eff / stated[:, None], 1, rtol=1e-3)
    ratio = (np.abs(x_hat - x) ** 2).mean(axis=(0, 2)) / stated
    assert np.all(np.abs(ratio - 1) < 4 / np.sqrt(200 * 60 // users))


@pytest.mark.parametrize(
    "users, streams, receive, spread, count",
    [(4, 1, 2, 2, 24), (3, 1, 2, 2, 24), (2, 1, 8, 1, 24), (3, 2, 4, 2, 2600)],
)
def test_codes_and_antennas_together_tell_users_apart(
    users, streams, receive, spread, count
):
    config.seed = 6
    arrays = f"antennas={{transmit={streams}, streams={streams}, receive={receive}}}"
    guards = "channel.model=rayleigh", "grid.guard_carriers=[4, 7]"
    grid = SharedGrid(semantic(f"users={users}", arrays, *guards), count)
    assert grid.spread == spread
    x = symbols(30 if streams > 1 else 100, users, count // spread)
    x_hat, no_eff = exchange(grid, x, 20.0)
    ratio = (np.abs(x_hat - x) ** 2 / no_eff).mean(axis=(1, 2))
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(len(ratio))


def test_a_user_alone_is_disturbed_by_noise_only():
    config.seed = 4
    grid = SharedGrid(semantic("users=2", "channel.model=rayleigh"), 64)
    x = symbols(50, 2, 64) * np.array([[[1], [0]]])
    x_hat, no_eff = exchange(grid, x, 10.0, alone=True)
    ratio = (np.abs(x_hat - x) ** 2 / no_eff)[:, 0].mean(axis=1)
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(50)


@pytest.mark.slow
@pytest.mark.parametrize("users", [1, 2])
@pytest.mark.parametrize("esno_db", [0.0, 15.0])
def test_the_score_estimator_saves_error_against_least_squares(users, esno_db):
    config.seed = 5
    arrays = "antennas.receive=8", "antennas.polarisation=dual"
    scenario = semantic(f"users={users}", *MIMO, *arrays, "channel.model=umi")
    grid, no = SharedGrid(scenario, 64), noise_variance(esno_db)
    h = grid.draw_channel(tf.constant(24))
    y = grid.send(symbols(24, users, 64), h, grid.noise(h, no))
    error = {}
    for name in ("ls", "score"):
        h_hat = build_block(ESTIMATORS, name, grid)(y, no)[0]
        error[name] = tf.abs(h_hat - grid.remove_nulled(h)).numpy() ** 2
    frames = {name: e.mean(axis=tuple(range(1, 7))) for name, e in error.items()}
    saved = frames["ls"] - frames["score"]
    assert saved.mean() > 4 * saved.std() / np.sqrt(24)


@pytest.mark.parametrize(
    "override, named",
    [
        ("sweep.axis=esno_db", "esno_db is swept"),
        ("sweep.bandwidth_ratio=0.1", "leave out sweep.bandwidth_ratio"),
        ("sweep.points=[0]", "sweep.bandwidth_ratio = 0"),
        ("sweep.points=[0.1, 0.1]", "repeat"),
        ("payload.source=random", "no semantic weights"),
        ("users=5", "users"),
        ("power_offsets=[0, 3]", "power_offsets has 2 values for users = 1"),
        ("code.rate=0.5", "code"),
        ("kind=semantics", "use link, csi, "),
        ("antennas.transmit=3", "antennas"),
        ("grid.guard_carriers=[4, 4]", "guard_carriers"),
        ("antennas={receive=3, polarisation='dual'}", "receive = 3 is odd"),
    ],
)
def test_a_wrong_value_is_answered_in_one_sentence(override, named):
    extra = {"antennas.transmit=3": ["antennas.streams=3"], "grid.guard_carriers=[4, 4]": ["users=2"]}  # noqa: E501  # fmt: skip
    with pytest.raises(ScenarioError) as error:
        semantic(override, *extra.get(override, []))
    assert named in str(error.value) and "\n" not in str(error.value)
