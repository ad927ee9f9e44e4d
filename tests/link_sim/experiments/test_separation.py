import numpy as np
import pytest
from PIL import Image

from link_sim.experiments.separation import LOST, SeparationLink
from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.loading import load_scenario, parse_scenario
from link_sim.world.picture_codec import compress, decompress
from link_sim.world.separation import Mcs
from link_sim.world.separation_blocks import (
    LONGEST_BLOCK,
    BlockLink,
    rate_for,
    shortest_link,
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
    link = shortest_link(mcs, num_bytes)
    assert link.num_bytes >= num_bytes
    spent = link.count * mcs.efficiency - 8 * num_bytes - 16 * link.blocks
    assert -link.blocks < spent < 10 * link.blocks  # rounding; a byte, and a symbol
    data = RNG.bytes(link.num_bytes)
    assert link.receive(link.send(data), np.full(link.count, 0.01)) == (data, False)


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
