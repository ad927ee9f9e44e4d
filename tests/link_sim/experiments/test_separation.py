import numpy as np
import pytest
from PIL import Image

from link_sim.experiments.separation import LOST, SeparationLink
from link_sim.models.cards import weights_path
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario, parse_scenario
from link_sim.world.picture_codec import compress, decompress
from link_sim.world.separation import Mcs
from link_sim.world.separation_blocks import (
    LONGEST_BLOCK,
    BlockLink,
    rate_for,
    shortest_count,
)

RNG = np.random.default_rng(0)
SHAPES = (32, 48, 3), (40, 24, 1)


@pytest.fixture
def folder(tmp_path):
    """A colour image and a grey one of another size."""
    for name, shape in zip(("a.png", "b.png"), SHAPES, strict=True):
        coarse = RNG.integers(0, 256, (shape[0] // 8, shape[1] // 8, shape[2]))
        image = np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)
        pixels = image[..., 0] if shape[2] == 1 else image
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def scenario(folder, *settings, points="[12]"):
    return load_scenario(
        "separation",
        [f"payload.source={folder}", f"sweep.points={points}",
         "sweep.bandwidth_ratio=0.5", *settings],
    )  # fmt: skip


@pytest.mark.slow
def test_images_of_any_size_come_through_and_fall_off_the_cliff(folder):
    asked = scenario(folder, 'receivers=["jpeg", "jpeg-at-12"]', points="[6, 12]")
    link, psnr = SeparationLink(asked), {}
    for point in asked.sweep.points:
        world = link.draw(asked.at(point), 0)
        received = link.receive(world)
        for found in received.values():
            assert [image.shape for image, _ in found] == list(SHAPES)
        lost = {name: [bad for _, bad in found] for name, found in received.items()}
        counts = link.count(world)["jpeg-at-12"]
        assert counts["frames"] == counts["blocks"] == 2
        assert counts["block_errors"] == sum(lost["jpeg-at-12"])
        psnr[point] = counts["psnr"] / 2
        if point == 6:
            assert lost == {"jpeg": [False] * 2, "jpeg-at-12": [True] * 2}
            assert np.all(received["jpeg-at-12"][0][0] == LOST)
        else:
            assert not any(lost["jpeg"] + lost["jpeg-at-12"])
            (image, _), picture = received["jpeg"][0], link._pictures[0]
            error = np.mean((image / 255.0 - picture / 255.0) ** 2)
            assert link.count(world)["jpeg"]["squared_error"] > error / 2
    assert psnr[12] > psnr[6] + 5


@pytest.mark.slow
@pytest.mark.parametrize("model", ["rayleigh", "rayleigh-fast"])
def test_fading_is_known_and_of_mean_energy_1(folder, model):
    asked = scenario(folder, f"channel.model={model}", 'receivers=["jpeg"]')
    link = SeparationLink(asked)
    from link_sim.experiments.separation import _fading

    h = _fading(RNG, model, 4000, 3)
    energy = np.abs(h) ** 2
    assert abs(energy[:, 0].mean() - 1) < 4 / np.sqrt(4000)
    assert np.all(h[:, 0] == h[:, 1]) == (model == "rayleigh")
    assert link.count(link.draw(asked.at(12), 0))["jpeg"]["frames"] == 2


@pytest.mark.slow
def test_a_batch_is_the_same_alone_and_later(folder):
    asked = scenario(folder, 'receivers=["jpeg"]')
    one, other = (SeparationLink(asked) for _ in range(2))
    one.count(one.draw(asked.at(12), 0))
    again = one.count(one.draw(asked.at(12), 1))
    assert again == other.count(other.draw(asked.at(12), 1))


@pytest.mark.slow
def test_long_files_take_several_blocks_without_an_error():
    mcs, count = Mcs(4, 0.5), 9000
    link = BlockLink(mcs, count)
    assert link.blocks == 3
    assert 0.97 * count * mcs.efficiency < 8 * link.num_bytes + 16 * link.blocks
    assert 8 * link.block_bytes + 16 <= LONGEST_BLOCK
    data = RNG.bytes(link.num_bytes)
    x = link.send(data)
    assert x.shape == (count,) and abs(np.mean(np.abs(x) ** 2) - 1) < 0.05
    no = np.full(count, 10**-1.2)
    noise = RNG.standard_normal((count, 2)) @ [1, 1j] * np.sqrt(no[0] / 2)
    assert link.receive(x + noise, no) == (data, False)
    assert link.receive(x + 4 * noise, 16 * no)[1]
    assert rate_for(no[None], 100).efficiency >= rate_for(no[None], 10**6).efficiency


@pytest.mark.slow
@pytest.mark.parametrize("num_bytes", [1, 40, 1100])
def test_a_link_is_no_longer_than_it_must_be(num_bytes):
    mcs = Mcs(2, 0.3)
    link = BlockLink(mcs, shortest_count(mcs, num_bytes))
    assert link.num_bytes >= num_bytes
    spent = link.count * mcs.efficiency - 8 * num_bytes - 16 * link.blocks
    assert -link.blocks < spent < 10 * link.blocks  # rounding; a byte, and a symbol
    data = RNG.bytes(link.num_bytes)
    assert link.receive(link.send(data), np.full(link.count, 0.01)) == (data, False)


@pytest.mark.slow
@pytest.mark.parametrize("num_bytes", [3, 400])
def test_what_goes_ahead_fails_once_in_a_hundred(folder, num_bytes):
    link = SeparationLink(scenario(folder, 'receivers=["jpeg"]'))
    ahead, no = link._ahead(num_bytes, 2048, 10.0), 0.1
    data, lost = RNG.bytes(ahead.num_bytes), 0
    for _ in range(150):
        noise = RNG.standard_normal((ahead.count, 2)) @ [1, 1j] * np.sqrt(no / 2)
        lost += ahead.receive(ahead.send(data) + noise, np.full(ahead.count, no))[1]
    assert lost <= 6  # 1.5 are expected; more once in a thousand times


@pytest.mark.slow
def test_networks_send_images_of_any_size(folder):
    names = 'receivers=["ae", "ae-even", "cdiff-2", "jpeg"]'
    asked = scenario(folder, names, "sweep.bandwidth_ratio=0.25", points="[20]")
    link = SeparationLink(asked)
    world = link.draw(asked.at(20), 0)
    for name, found in link.receive(world).items():
        assert [image.shape for image, _ in found] == list(SHAPES)
        assert not any(lost for _, lost in found)
        error = np.mean((found[0][0] / 255.0 - link._pictures[0] / 255.0) ** 2)
        assert -10 * np.log10(error) > 18, name


@pytest.mark.slow
def test_networks_of_something_else_get_one_sentence(folder, tmp_path):
    for end in ".npz", ".json":
        source = weights_path("semantic-ae-mnist").with_suffix(end)
        (tmp_path / f"semantic-ae-cifar10{end}").write_bytes(source.read_bytes())
    asked = scenario(folder, 'receivers=["ae"]', f"weights={tmp_path}")
    with pytest.raises(ScenarioError, match="'ae': .* not weights of images of any si"):
        SeparationLink(asked)
    few = scenario(folder, 'receivers=["ae"]', "sweep.bandwidth_ratio=0.01")
    with pytest.raises(ScenarioError, match="at least: raise sweep.bandwidth_ratio"):
        SeparationLink(few)


def test_folders_are_known_by_their_content(folder, tmp_path):
    asked = scenario(folder)
    assert set(asked.payload.source.sha256) == {"a.png", "b.png"}
    assert parse_scenario(asked.to_toml()) == asked
    Image.new("RGB", (32, 32)).save(folder / "a.png")
    with pytest.raises(ScenarioError, match="a.png .* other content"):
        SeparationLink(asked)
    with pytest.raises(ScenarioError, match="no folder with images"):
        scenario(tmp_path / "none")
    Image.new("RGB", (16, 32)).save(folder / "b.png")
    with pytest.raises(ScenarioError, match="an image of 16 pixels"):
        SeparationLink(scenario(folder))


def test_bpg_goes_through_its_programs(folder, monkeypatch):
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ScenarioError, match="bpgenc and bpgdec"):
        SeparationLink(scenario(folder, 'receivers=["bpg"]'))
    programs = {"bpgenc": '"$5" "$4"', "bpgdec": '"$3" "$2"'}
    for name, files in programs.items():  # the files as they are
        (folder / name).write_text(f"#!/bin/sh\n/bin/cp {files}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    data = compress("bpg", image, 1000)
    np.testing.assert_array_equal(decompress("bpg", data, image.shape), image)
    colour = decompress("bpg", compress("bpg", image, 4), image.shape)
    assert np.all(colour == colour[0, 0])


def test_images_that_are_not_sent_are_said(folder):
    settings = f"payload.source={folder}", "lpips=alex.npz"
    few = load_scenario("separation", [*settings, "batch_size=1"])
    number = len(few.payload.source.sha256)
    assert (
        few.remark
        == f"1 of {number} images are sent: set batch_size = {number} to send all"
    )
    assert (
        load_scenario("separation", [*settings, f"batch_size={number}"]).remark is None
    )
