import keras
import pytest
import tensorflow as tf
import typer
from typer.testing import CliRunner

from link_sim.mistakes import Commands

SENTENCE = "ratio = 2 is too large: lower it"


def plain(x):
    raise ValueError(SENTENCE)


class Layer(keras.layers.Layer):
    def call(self, x):
        plain(x)


def graph_in_a_layer(x):
    class Outer(keras.layers.Layer):
        def call(self, x):
            return tf.function(plain)(x)

    return Outer()(x)


@pytest.mark.parametrize(
    "refuse",
    [plain, tf.function(plain), Layer(), tf.function(Layer()), graph_in_a_layer],
)
def test_a_mistake_found_inside_a_graph_is_answered_in_its_own_words(refuse):
    app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @app.command()
    def run():
        refuse(tf.zeros(3))

    @app.command()
    def other():
        pass

    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 2
    assert result.stderr == f"link-sim: {SENTENCE}\n"
