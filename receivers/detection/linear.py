"""Linear detection: LMMSE equalisation, then demapping stream by stream."""

import keras

from link_sim.receivers.detection.constellation import ConstellationDemapper
from link_sim.receivers.detection.demapping import QAMDemapper
from link_sim.receivers.detection.equalization import LMMSEEqualizer
from link_sim.receivers.grid_config import grid_from_config, grid_to_config
from link_sim.receivers.layer import ReceiverLayer


@keras.saving.register_keras_serializable("link_sim")
class LinearDetector(ReceiverLayer):
    """LLRs of the bits of every stream by `LMMSEEqualizer` and `QAMDemapper`.

    Decides what `sionna.phy.ofdm.LinearDetector` decides with `lmmse`, `bit` and `qam`.

    Parameters
    ----------
    resource_grid : sionna.phy.ofdm.ResourceGrid, as `LMMSEEqualizer` needs it
    num_bits_per_symbol : 2, 4, 6, 8 …
    demapping_method : `app` or `maxlog`
    constellation : a `TrainableConstellation` in place of QAM, demapped by `app`

    Input
    -----
    y, h_hat, err_var, no : as in `LMMSEEqualizer`

    Output
    ------
    llr : [batch, 1, streams, data symbols * num_bits_per_symbol], float
    """

    def __init__(
        self,
        resource_grid,
        num_bits_per_symbol,
        demapping_method="app",
        constellation=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._equalizer = LMMSEEqualizer(resource_grid)
        self._demapper = QAMDemapper(demapping_method, num_bits_per_symbol)
        self.constellation = constellation
        if constellation is not None:
            self._demap = ConstellationDemapper(constellation)
        else:
            self._demap = self._demapper

    def call(self, y, h_hat, err_var, no):
        return self._demap(*self._equalizer(y, h_hat, err_var, no))

    def get_config(self):
        demapper = self._demapper
        return super().get_config() | {
            "resource_grid": grid_to_config(self._equalizer.resource_grid),
            "num_bits_per_symbol": demapper.num_bits_per_symbol,
            "demapping_method": demapper.demapping_method,
            "constellation": keras.saving.serialize_keras_object(self.constellation),
        }

    @classmethod
    def from_config(cls, config):
        grid = grid_from_config(config["resource_grid"])
        return super().from_config(config | {"resource_grid": grid})
