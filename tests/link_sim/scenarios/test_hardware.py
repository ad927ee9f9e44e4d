import pytest

from link_sim.scenarios.loading import ScenarioError, load_scenario, parse_scenario


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("hardware.back_off_db=3", "set hardware.amplifier"),
        ("hardware={amplifier='rapp', oversampling=1}", "use 4"),
        ("hardware.oscillator_frequency=28e9", "set hardware.phase_noise"),
        ("hardware={amplifier='valve'}", "neither an .npz file nor one of rapp"),
        ("hardware.sampling_offset=300", "sampling_offset"),
        ("hardware.converter_bits=0", "converter_bits"),
        ("hardware={amplifier='rapp', back_off_db=90}", "back_off_db"),
        ("hardware.kappa_transmit=2", "kappa_transmit"),
        ("hardware.receive_iq=[30, 0]", "receive_iq"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(override, remedy):
    with pytest.raises(ScenarioError, match=remedy) as refusal:
        load_scenario("image-awgn", [override])
    assert "\n" not in str(refusal.value)


def test_an_amplifier_has_a_stream_of_its_own():
    antennas = "antennas={transmit=4, streams=2, receive=8}"
    with pytest.raises(ScenarioError, match="antenna with a stream of its own"):
        load_scenario("image", [antennas, "hardware.amplifier=rapp"])


def test_hardware_is_written_and_read_and_swept():
    settings = "hardware={amplifier='rapp', back_off_db=3.0, transmit_iq=[0.5, 2]}"
    sweep = "sweep={axis='hardware.back_off_db', points=[1, 4], esno_db=20}"
    scenario = load_scenario("image-awgn", [settings, sweep])
    assert parse_scenario(scenario.to_toml()) == scenario
    assert scenario.at(4).hardware.back_off_db == 4
    assert "hardware" not in load_scenario("image-awgn").to_toml()
