import hashlib
import json
import shutil

import numpy as np
import pytest

from link_sim.engine import pins
from link_sim.engine.batches import LiveExperiment, picture_strip, plain, run_batch
from link_sim.engine.results import ResultsError, open_results
from link_sim.experiments.semantic import Recovered, SemanticLink
from link_sim.metrics.lpips import LPIPS
from link_sim.metrics.rates import METRICS, estimate
from link_sim.models import pretrained
from link_sim.models.semantic import SemanticDenoiser, SemanticEncoder
from link_sim.scenarios.base import ScenarioError, batch_seed
from link_sim.scenarios.data_files import DataFolder
from link_sim.scenarios.loading import load_scenario, parse_scenario

pytestmark = pytest.mark.usefixtures("eager")

DECODERS = "ae", "vae", "cdiff"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of small networks that were never trained."""
    folder, rng = tmp_path_factory.mktemp("weights"), np.random.default_rng(0)
    for kind in DECODERS:
        encoder = f"semantic-{'vae-' * (kind == 'vae')}encoder-mnist"
        network = SemanticEncoder((28, 28, 1), 2 * 131, (4, 4, 4, 4))
        network.layers[-1].bias.assign(rng.standard_normal(2 * 131))
        pretrained.save_model(str(folder / f"{encoder}.npz"), network, {"summary": ""})
        denoiser = SemanticDenoiser((28, 28, 1), 2 * 131, 2, 0.6, (32, 32), (1, 1))
        random = [0.1 * rng.standard_normal(w.shape) for w in denoiser.weights]
        denoiser.set_weights(random)
        card = {
            "summary": "",
            "encoder": encoder,
            "decoder": {"image_shape": [28, 28, 1], "max_symbols": 131},
        }
        name = f"semantic-{kind}-mnist.npz"
        pretrained.save_model(str(folder / name), denoiser, card)
    return folder


def scenario(weights, *overrides):
    shared = [
        f"weights={weights}",
        "batch_size=4",
        "sweep.points=[0.0208333, 0.1666667]",
    ]
    return load_scenario("semantic", [*shared, *overrides])


def counts_of(link, point, batch):
    """Counts of a batch of the link by receiver, as plain numbers."""
    return plain(link.count(link.draw(link.scenario.at(point), batch)))


@pytest.mark.slow
@pytest.mark.graphs
@pytest.mark.parametrize("users", [1, 3])
def test_a_batch_counts_every_receiver_alike_and_again(weights, users):
    names = '["perfect-csi+ae", "perfect-csi+cdiff-2", "perfect-csi+jpeg"]'
    guards = "grid.guard_carriers=[4, 4]"  # 87 carriers
    chosen = scenario(weights, f"users={users}", f"receivers={names}", guards)
    link = SemanticLink(chosen)
    counts = counts_of(link, 0.1666667, 3)
    assert list(counts) == list(chosen.receivers)
    for sums in counts.values():
        assert sums["frames"] == 4 and sums["images"] == 4 * users
        measured = {m for m in METRICS if estimate(sums, m) is not None}
        assert {"psnr", "psnr_mean", "ssim", "ms_ssim", "accuracy", "fcd"} <= measured
        assert "lpips" not in measured
    assert counts["perfect-csi+jpeg"]["blocks"] == 4 * users
    # the last batch is computed alone in another link, after other batches in this one
    counts_of(link, 0.1666667, 0)
    assert counts_of(link, 0.1666667, 3) == counts
    toml = chosen.to_toml()
    again = run_batch(toml, 0.1666667, 3)
    assert again["counts"] == counts
    assert again["seed"] == batch_seed(chosen.seed, 0.1666667, 3)
    json.dumps(again, allow_nan=False)


@pytest.mark.slow
@pytest.mark.graphs
def test_the_world_does_not_depend_on_the_receivers(weights):
    alone = SemanticLink(scenario(weights, 'receivers=["perfect-csi+ae"]'))
    several = SemanticLink(scenario(weights))
    assert (
        counts_of(alone, 0.0208333, 1)["perfect-csi+ae"]
        == counts_of(several, 0.0208333, 1)["perfect-csi+ae"]
    )


def test_true_labels_and_images_of_a_batch_agree(weights):
    link = SemanticLink(scenario(weights))
    picks = link.picks(1)
    np.testing.assert_array_equal(picks[:, 0], [4, 5, 6, 7])
    # an exact copy is classified as well as the classifier can: 99 %
    image = link._images[:200, None] / np.float32(255)
    copy = {"copy": Recovered(image, None)}
    counts = link._judge(image, link._labels[:200, None], copy)
    sums = plain(counts)["copy"]
    assert sums["class_hits"] >= 194 and sums["class_flips"] == 0
    assert estimate(sums, "ms_ssim").value == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.graphs
def test_the_cliff_of_a_fixed_rate(weights):
    names = '["perfect-csi+webp", "perfect-csi+webp-at-10"]'
    sweep = "sweep={axis='esno_db', points=[4, 10], bandwidth_ratio=0.1666667}"
    link = SemanticLink(scenario(weights, f"receivers={names}", sweep, "batch_size=20"))
    for point, share in ((10.0, 0.0), (4.0, 1.0)):
        counts = counts_of(link, point, 0)
        lost = counts["perfect-csi+webp-at-10"]["block_errors"] / 20
        assert abs(lost - share) <= 0.1
    lost = counts["perfect-csi+webp"]["block_errors"] / 20
    assert lost <= 0.1


@pytest.mark.slow
@pytest.mark.graphs
def test_over_the_mimo_ofdm_link_with_estimated_channels(weights):
    link = SemanticLink(
        scenario(
            weights,
            'receivers=["perfect-csi+cdiff-2", "ls+cdiff-2", "lmmse+ae", "score+jpeg"]',
            "users=2",
            "channel.model=tdl-a",
            "antennas={transmit=2, streams=1, receive=4}",
        )
    )
    counts = counts_of(link, 0.0208333, 0)
    assert all(np.isfinite(list(sums.values())).all() for sums in counts.values())
    # known symbols over known channels come back as they were sent, within their noise
    world = link.draw(link.scenario.at(0.0208333), 0)
    observe = link._traced(world.count).observe
    seen = observe(world.x, world.h, world.noise, np.float32(1e-6))
    for sender, x in world.x.items():
        x_hat, no_eff = seen["perfect-csi", True][sender]
        quiet = observe(world.x, world.h, 0 * world.noise, np.float32(1e-6))
        exact, _ = quiet["perfect-csi", True][sender]
        if "jpeg" not in sender:
            np.testing.assert_allclose(exact, x, atol=0.02)
        assert np.all(np.asarray(no_eff) > 0) and x_hat.shape == x.shape


@pytest.mark.slow
@pytest.mark.graphs
def test_frames_received_in_parts_are_counted_as_a_batch(weights):
    names = '["ls+ae", "perfect-csi+cdiff-2", "lmmse+jpeg"]'
    chosen = scenario(
        weights,
        f"receivers={names}",
        "users=2",
        "batch_size=5",
        "channel.model=tdl-a",
        "antennas.receive=2",
    )
    live, at = LiveExperiment(chosen), chosen.at(0.1666667)
    whole = live.count(at, 2)
    live.frames_at_once = 2
    parts = live.count(at, 2)
    assert parts.keys() == whole.keys()
    for name, counts in whole.items():
        for key, value in counts.items():
            close = (
                5e-3 if "logit" in key else 1e-4
            )  # of a classifier in half precision
            assert parts[name][key] == pytest.approx(value, rel=close, abs=20 * close)


@pytest.mark.slow
@pytest.mark.graphs
def test_pictures_by_receiver_and_point(weights):
    strip = picture_strip(scenario(weights), 3)
    assert strip["image"].shape == (3, 28, 28, 1)
    assert strip["perfect-csi+cdiff-8", 0.1666667].shape == (3, 28, 28, 1)


@pytest.mark.parametrize(
    "name",
    [
        "ae",
        "perfect-csi+turbo",
        "psi+ae",
        "perfect-csi+ae-4",
        "ls+cdiff-999",
        "ls+jpeg-at-201",
        "ls+webp-at--4000",
    ],
)
def test_an_unknown_receiver_is_answered_in_one_sentence(weights, name):
    with pytest.raises(ScenarioError, match=r"use|join"):
        SemanticLink(scenario(weights, f'receivers=["{name}"]'))


def test_other_lpips_weights_than_the_run_began_with_are_refused(tmp_path):
    file = tmp_path / "alex.npz"
    file.write_bytes(b"one")
    chosen = load_scenario("semantic-cifar10", [f"lpips={file}"])
    file.write_bytes(b"other")
    with pytest.raises(ValueError, match="alex.npz has other content .*sha256"):
        LPIPS(chosen.lpips)


def hashes(folder, *names):
    return {
        name: hashlib.sha256((folder / f"{name}.npz").read_bytes()).hexdigest()
        for name in names
    }


def test_a_scenario_pins_the_weights_that_its_receivers_take(weights, monkeypatch):
    monkeypatch.chdir(weights.parent)
    one = 'receivers=["ls+cdiff", "ls+cdiff-8", "lmmse+cdiff-8", "ls+jpeg"]'
    chosen = pins.pinned(scenario(weights.name, one))
    used = ("semantic-cdiff-mnist", "semantic-encoder-mnist")
    pinned = DataFolder(path=str(weights), sha256=hashes(weights, *used))
    assert chosen.weights == pinned
    assert parse_scenario(chosen.to_toml()) == chosen
    two = pins.pinned(scenario(weights, 'receivers=["ls+vae"]', "users=2"))
    used = ("semantic-vae-mnist", "semantic-vae-encoder-mnist")
    assert two.weights.sha256 == hashes(weights, *used)
    assert load_scenario("semantic").weights is None


@pytest.mark.parametrize("name", ["semantic-ae-mnist", "semantic-encoder-mnist"])
def test_replaced_weights_are_refused(weights, tmp_path, name):
    folder, results = tmp_path / "weights", tmp_path / "results"
    shutil.copytree(weights, folder)
    chosen = pins.pinned(scenario(folder, 'receivers=["ls+ae"]'))
    with open_results(results, chosen) as stored:
        line = {"point": 0.0208333, "batch": 0, "seed": 1, "seconds": 1.0}
        stored.append({**line, "counts": {"ls+ae": {"frames": 4}}})
    file = str(folder / f"{name}.npz")
    arrays = pretrained.load_arrays(file)
    pretrained.save_arrays(file, {**arrays, "000": 2 * arrays["000"]}, card(file))
    with pytest.raises(ValueError, match=f"{name}.npz has other content .*sha256"):
        SemanticLink(chosen)
    again = pins.pinned(scenario(folder, 'receivers=["ls+ae"]'))
    with pytest.raises(ResultsError, match="another run, with weights = "):
        with open_results(results, again):
            pass


def card(file):
    return {k: v for k, v in pretrained.read_card(file).items() if k != "sha256"}


def test_a_copy_of_the_weights_elsewhere_continues_a_run(weights, tmp_path):
    shutil.copytree(weights, tmp_path / "copy")
    for folder in (weights, tmp_path / "copy"):
        with open_results(tmp_path / "results", pins.pinned(scenario(folder))):
            pass


def test_weights_that_are_no_folder_are_answered_in_one_sentence(tmp_path):
    (tmp_path / "ae.npz").touch()
    for name in ("ae.npz", "none"):
        with pytest.raises(ScenarioError, match=f"weights = .*{name}' is not a folder"):
            pins.pinned(scenario(tmp_path / name))


@pytest.mark.parametrize(
    "sweep, named",
    [
        ("sweep.points=[0.1, 0.5]", "sweep.points asks for 392 channel uses"),
        (
            "sweep={axis='esno_db', points=[4], bandwidth_ratio=0.5}",
            "sweep.bandwidth_ratio asks for 392 channel uses",
        ),
    ],
)
def test_more_symbols_than_there_are_are_refused(weights, sweep, named):
    with pytest.raises(ScenarioError, match=f"{named}.* up to 0.167$"):
        SemanticLink(scenario(weights, sweep))
    largest = scenario(weights, "sweep.points=[0.167]", 'receivers=["ls+ae"]')
    assert SemanticLink(largest).symbols(largest.at(0.167)) == 131


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(ScenarioError, match="holds none of .* semantic-ae-mnist"):
        pins.pinned(scenario(tmp_path))


def test_only_a_separation_baseline_has_blocks_to_count():
    coded = load_scenario("semantic", ["stop.block_errors=5"])
    assert coded.stop.block_errors == 5
    with pytest.raises(ScenarioError, match="stop.block_errors counts code blocks"):
        load_scenario("semantic", ["stop.block_errors=5", 'receivers=["ls+ae"]'])


def test_lpips_is_for_images_of_its_size_only():
    assert load_scenario("semantic").remark is None
    assert "lpips=PATH" in load_scenario("semantic-cifar10").remark
    with pytest.raises(ScenarioError, match="lpips needs .* 'mnist' have 28: leave"):
        load_scenario("semantic", ["lpips=alex.npz"])


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"encoder": None}, "names no encoder: train it again"),
        ({"encoder": "../other"}, "names no encoder: train it again"),
        ({"encoder": "semantic-vae-mnist"}, "no weights of a semantic encoder"),
        ({"decoder": None}, "no weights of a semantic decoder"),
        ({"decoder": {}}, "no weights of a semantic decoder"),
    ],
)
def test_cards_that_do_not_fit_are_answered_in_one_sentence(
    weights, tmp_path, changed, said
):
    folder = shutil.copytree(weights, tmp_path / "copy")
    card = folder / "semantic-ae-mnist.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | changed))
    with pytest.raises(ValueError, match=said):
        SemanticLink(scenario(folder, 'receivers=["ls+ae"]'))
