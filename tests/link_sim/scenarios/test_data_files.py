import hashlib
from pathlib import Path

import pytest

from link_sim.scenarios.base import ScenarioError
from link_sim.scenarios.data_files import DataFile
from link_sim.scenarios.loading import load_scenario, parse_scenario

TOML = """
name = "mine"
description = ""
receivers = ["ls"]
[payload]
source = "{source}"
[sweep]
points = [1.0]
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to stand in, with a scenario in a folder beside it."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "images.npz").write_bytes(name.encode())
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def file_of(folder):
    """What a scenario holds of images.npz in a folder."""
    content = folder.name.encode()
    digest = hashlib.sha256(content).hexdigest()
    return DataFile(path=str(folder / "images.npz"), sha256=digest)


def scenario(place, source, *overrides):
    path = place / "there" / "mine.toml"
    path.write_text(TOML.format(source=source))
    return load_scenario(str(path), list(overrides))


def test_a_name_in_a_scenario_is_relative_to_its_folder(place):
    payload = scenario(place, "images.npz").payload
    assert payload.source == file_of(place / "there")


def test_a_name_on_the_command_line_is_relative_to_where_the_user_is(place):
    payload = scenario(place, "mnist", "payload.source=images.npz").payload
    assert payload.source == file_of(place / "here")


@pytest.mark.parametrize("source", ["../here/images.npz", "/etc/hostname", "link.npz"])
def test_a_name_in_a_scenario_cannot_leave_its_folder(place, source):
    (place / "there" / "link.npz").symlink_to(place / "here" / "images.npz")
    with pytest.raises(
        ScenarioError, match="payload.source = .* leads out of .* --set"
    ):
        scenario(place, source)


def test_a_file_of_the_whole_scenario_is_treated_like_that_of_a_section(place):
    path = place / "there" / "mine.toml"
    text = load_scenario("semantic-cifar10").to_toml()
    path.write_text('lpips = "images.npz"\n' + text)
    read = load_scenario(str(path))
    assert read.lpips == file_of(place / "there")
    chosen = load_scenario(str(path), ["lpips=images.npz"])
    assert chosen.lpips == file_of(place / "here")
    assert parse_scenario(chosen.to_toml()) == chosen
    for key in ("lpips", "weights"):
        path.write_text(f'{key} = "../here/images.npz"\n' + text)
        with pytest.raises(ScenarioError, match=f"{key} = .* leads .* --set {key}="):
            load_scenario(str(path))


@pytest.mark.parametrize("source", ["mnist", "cifar10", "random"])
def test_sources_are_no_files(place, source):
    Path(place / "there" / source).write_bytes(b"a file of that name")
    payload = scenario(place, source).payload
    assert payload.source == source


def test_what_was_read_comes_back_as_it_was(place):
    read = scenario(place, "images.npz")
    (place / "there" / "images.npz").unlink()
    assert parse_scenario(read.to_toml()) == read


def test_other_content_is_refused(place):
    payload = scenario(place, "images.npz").payload
    path = payload.source.checked()
    path.write_bytes(b"other")
    with pytest.raises(ValueError, match="has other content .*sha256"):
        payload.source.checked()


def test_scenarios_of_version_0_1_are_read(place):
    text = TOML.format(source="/data/images.npz")
    old = text.replace("[sweep]", f'sha256 = "{"0" * 64}"\n[sweep]')
    expected = DataFile(path="/data/images.npz", sha256="0" * 64)
    assert parse_scenario(old).payload.source == expected
