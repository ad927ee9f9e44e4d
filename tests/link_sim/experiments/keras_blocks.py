"""Blocks of a user, with weights."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("mine")
class Scaled(keras.layers.Layer):
    """Channel estimates of a block times a weight that begins too small."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def build(self, *shapes):
        small = keras.initializers.Constant(0.3)
        self.scale = self.add_weight(shape=(), initializer=small, name="scale")

    def call(self, y, no):
        h_hat, err_var = self.inner(y, no)
        return tf.cast(self.scale, h_hat.dtype) * h_hat, err_var

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return super().get_config() | {"inner": inner}

    @classmethod
    def from_config(cls, config):
        inner = keras.saving.deserialize_keras_object(config["inner"])
        return cls(**config | {"inner": inner})


@keras.saving.register_keras_serializable("mine")
class Restorer(keras.layers.Layer):
    """Pixels from their bits, through a dense layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(1, "sigmoid")

    def build(self, shape):
        self.dense.build((None, 8))

    def call(self, llr):
        return self.dense(tf.tanh(tf.clip_by_value(llr, -9.0, 9.0) / 2))
