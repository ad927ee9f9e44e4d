import hashlib
from pathlib import Path

import pytest

from link_sim.scenarios import data_files
from link_sim.scenarios.loading import ScenarioError, load_scenario, parse_scenario

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


def scenario(place, source, *overrides):
    path = place / "there" / "mine.toml"
    path.write_text(TOML.format(source=source))
    return load_scenario(str(path), list(overrides))


def test_a_name_in_a_scenario_is_relative_to_its_folder(place):
    payload = scenario(place, "images.npz").payload
    assert payload.source == str(place / "there" / "images.npz")
    assert payload.sha256 == hashlib.sha256(b"there").hexdigest()


def test_a_name_on_the_command_line_is_relative_to_where_the_user_is(place):
    payload = scenario(place, "mnist", "payload.source=images.npz").payload
    assert payload.source == str(place / "here" / "images.npz")
    assert payload.sha256 == hashlib.sha256(b"here").hexdigest()


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
    assert read.lpips == str(place / "there" / "images.npz")
    assert read.lpips_sha256 == hashlib.sha256(b"there").hexdigest()
    chosen = load_scenario(str(path), ["lpips=images.npz"])
    assert chosen.lpips == str(place / "here" / "images.npz")
    assert chosen.lpips_sha256 == hashlib.sha256(b"here").hexdigest()
    assert parse_scenario(chosen.to_toml()) == chosen
    for key in ("lpips", "weights"):
        path.write_text(f'{key} = "../here/images.npz"\n' + text)
        with pytest.raises(ScenarioError, match=f"{key} = .* leads .* --set {key}="):
            load_scenario(str(path))


@pytest.mark.parametrize("source", ["mnist", "cifar10", "random"])
def test_sources_are_no_files(place, source):
    Path(place / "there" / source).write_bytes(b"a file of that name")
    payload = scenario(place, source).payload
    assert (payload.source, payload.sha256) == (source, None)


def test_what_was_read_comes_back_as_it_was(place):
    read = scenario(place, "images.npz")
    (place / "there" / "images.npz").unlink()
    assert parse_scenario(read.to_toml()) == read


def test_other_content_is_refused(place):
    payload = scenario(place, "images.npz").payload
    data_files.check(payload.source, payload.sha256)
    Path(payload.source).write_bytes(b"other")
    with pytest.raises(ValueError, match="has other content .*sha256"):
        data_files.check(payload.source, payload.sha256)
