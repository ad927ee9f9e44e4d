"""Receivers by name: a table of blocks for each slot of each kind of experiment."""

from link_sim.receivers.entries import Entry, Suffix, Table

HISTOGRAMS = "pixel-bayes-mnist"
"""Of the levels of each pixel; restorers read the rate of wrong bits off them."""
STEPS = Suffix("num_steps", "a number of steps", 1, 200)
ITERATIONS = Suffix("iterations", "a number of iterations", 1, 10_000)
ROUNDS = Suffix("num_rounds", "a number of rounds", 1, 20)
STARTS = Suffix("num_starts", "a number of starts", 1, 100)
FEW = Suffix("users", "a number of users", 2, 100_000)
COMPONENTS = Suffix("components", "a number of components", 1, 1000)
PATHS = Suffix("most", "a number of paths", 1, 64)
DESIGN_DB = Suffix("design_db", "an Es/N0 in dB", -100, 200, required=True)

ESTIMATORS: dict[str, Entry] = {
    "perfect-csi": Entry(None, "the true channel, the bound of every estimator"),
    "ls": Entry(
        "builders:least_squares", "least squares at the pilots, linear interpolation"
    ),
    "lmmse": Entry("builders:lmmse", "linear MMSE over time, frequency and antennas"),
    "score": Entry(
        "builders:score",
        "posterior mean under a learned prior of angles and delays",
        weights=("csi-ofdm",),
    ),
}
"""Built for a `GridContext`: (y, no) -> h_hat, err_var."""
DETECTORS: dict[str, Entry] = {
    "linear": Entry("builders:linear", "LMMSE equalisation (the default)"),
    "sionna-linear": Entry(
        "builders:sionna_linear", "the same by Sionna's block, slower"
    ),
    "k-best": Entry("builders:k_best", "K-best tree search with 64 candidates"),
    "ep": Entry("builders:ep", "expectation propagation, 10 iterations"),
    "sionna-ep": Entry("builders:sionna_ep", "the same by Sionna's block"),
    "ep-retry": Entry("builders:ep_retry", "ep, and again where its residual is large"),
    "amp": Entry("builders:amp", "approximate message passing, 30 damped iterations"),
    "amp-gnn": Entry(
        "builders:amp_gnn",
        "message passing corrected by a graph network, ep where its residual is large",
        weights=("amp-gnn",),
    ),
    "langevin": Entry("builders:langevin", "annealed Langevin walks, very slow"),
    "bussgang": Entry(
        "detection.hardware:HardwareDetector",
        "linear, with the distortion of the hardware counted as noise",
    ),
    "cancelling": Entry(
        "builders:cancelling",
        "the same, then 4 rounds of symbols decided and their distortion taken away",
        ROUNDS,
    ),
    "cancelling-ldpc": Entry(
        "builders:cancelling_ldpc",
        "the same, 3 rounds with the channel decoder's decisions",
        ROUNDS,
    ),
    "linearising-ldpc": Entry(
        "builders:linearising_ldpc",
        "these, and amplifiers linearised about them, 3 rounds",
        ROUNDS,
    ),
    "unrolled": Entry(
        "builders:unrolled",
        "learned steps through the amplifier, without the decoder",
        weights=("hardware-unrolled",),
    ),
}
"""Built for a `LinkContext`: (y, h_hat, err_var, no) -> llr."""
SYMBOL_DETECTORS: dict[str, Entry] = {
    "lmmse": Entry("builders:mimo_linear", "linear MMSE estimates"),
    "amp": DETECTORS["amp"]._replace(build="builders:mimo_amp"),
    "ep": DETECTORS["ep"]._replace(build="builders:mimo_ep"),
    "ep-retry": DETECTORS["ep-retry"]._replace(build="builders:mimo_ep_retry"),
    "amp-gnn": DETECTORS["amp-gnn"]._replace(build="builders:mimo_amp_gnn"),
    "langevin": DETECTORS["langevin"]._replace(build="builders:mimo_langevin_walk"),
}
"""Built for a `SymbolContext`: a `MIMODetector`."""
DECODERS: dict[str, Entry] = {
    "bp": Entry(
        "builders:belief_propagation",
        "belief propagation until all checks are met (the default)",
    ),
    "sionna-bp": Entry(
        "builders:sionna_bp", "all iterations of it by Sionna's block, slower"
    ),
    "turbo-histogram": Entry(
        "builders:turbo_histogram",
        "belief propagation and pixel histograms in turns",
        weights=(HISTOGRAMS,),
    ),
    "turbo": Entry(
        "builders:turbo",
        "belief propagation and a bit-plane denoiser in turns",
        weights=("bit-planes",),
    ),
}
"""Built for a `LinkContext`: (llr) -> llr of the information bits."""
RESTORERS: dict[str, Entry] = {
    "none": Entry(None, "the image of the hard bits (the default)"),
    "pixel-bayes": Entry(
        "images.pixel_bayes:PixelBayes",
        "posterior mean of each pixel under its histogram",
        weights=(HISTOGRAMS,),
    ),
    "regression": Entry(
        "builders:regression",
        "the network of ddpm as plain L2 regression, hard bits",
        weights=("regression", HISTOGRAMS),
    ),
    "ddpm": Entry(
        "builders:ddpm",
        "conditional diffusion from hard bits, 1 step; ddpm-N takes N",
        STEPS,
        ("ddpm", HISTOGRAMS),
    ),
    "ddpm-soft": Entry(
        "builders:ddpm_soft",
        "the same from soft bits; ddpm-soft-N",
        STEPS,
        ("ddpm", HISTOGRAMS),
    ),
    "ddpm-ancestral": Entry(
        "builders:ddpm_ancestral",
        "the published sampler of ddpm: 200 ancestral steps, or N",
        STEPS,
        ("ddpm", HISTOGRAMS),
    ),
    "ddpm-soft-ancestral": Entry(
        "builders:ddpm_soft_ancestral",
        "the same from soft bits",
        STEPS,
        ("ddpm", HISTOGRAMS),
    ),
}
"""Built for nothing: (llr) -> image_hat."""
LOOPS: dict[str, Entry] = {
    "once": Entry(None, "every block once, in a row (the default)"),
    "idd": Entry(
        "builders:idd", "detector and decoder in turns, 5 rounds; idd-N", ROUNDS
    ),
    "joint": Entry(
        "builders:joint",
        "the same, and the channel estimated anew from the symbols; joint-N",
        ROUNDS,
    ),
}
"""Built for a `LinkContext`, an estimator, a detector and a decoder: an
`IterativeReception` in place of detector and decoder."""
SEMANTIC: dict[str, Entry] = {
    "ae": Entry("builders:semantic", "autoencoder", weights=("ae",)),
    "vae": Entry("builders:semantic", "variational autoencoder", weights=("vae",)),
    "cdiff": Entry(
        "builders:semantic",
        "conditional diffusion, 1 step; cdiff-N takes N",
        STEPS,
        ("cdiff",),
    ),
}
"""Built for nothing: (x_hat, no_eff) -> image_hat."""
SYMBOLS: dict[str, Entry] = {
    "bussgang": Entry(None, "symbols as equalised, distortion of hardware as noise"),
    "linear": Entry(None, "the same by who knows of no distortion"),
    "cddm": Entry(
        "builders:symbols",
        "a denoiser of symbols, 1 step; cddm-N takes N",
        STEPS,
        ("symbols",),
    ),
}
"""Built for nothing: (x_hat, no_eff) -> x_hat, no_eff."""
SEPARATION: dict[str, Entry] = {
    "jpeg": Entry(None, "JPEG, LDPC and QAM at the rate that the SNR allows"),
    "webp": Entry(None, "the same with WebP"),
    "bpg": Entry(None, "the same with BPG, whose bpgenc and bpgdec must be installed"),
    "jpeg-at": Entry(None, "jpeg at the rate for one Es/N0: jpeg-at-7", DESIGN_DB),
    "webp-at": Entry(None, "webp at the rate for one Es/N0: webp-at-7", DESIGN_DB),
    "bpg-at": Entry(None, "bpg at the rate for one Es/N0: bpg-at-7", DESIGN_DB),
}
"""Whole links without a learned part, built by `link_sim.world.separation`."""
PICTURES: dict[str, Entry] = SEPARATION | {
    "ae": SEMANTIC["ae"],
    "ae-even": Entry(
        "builders:semantic",
        "the same, as many symbols for each block",
        weights=("ae",),
    ),
    "cdiff": SEMANTIC["cdiff"],
}
"""Whole links of photographs."""
MIMO: dict[str, Entry] = {
    "ls": Entry("builders:mimo_least_squares", "least squares"),
    "sparse": Entry("builders:mimo_sparse", "l1 over oversampled DFT grids"),
    "lmmse": Entry("builders:mimo_lmmse", "linear MMSE with sample covariances"),
    "genie": Entry(
        "builders:mimo_genie", "LMMSE that knows each covariance, the bound"
    ),
    "score": Entry(
        "builders:mimo_score",
        "score-tweedie, or score-vamp with a check of the prior",
    ),
    "score-tweedie": Entry("builders:mimo_tweedie", "one evaluation of the denoiser"),
    "score-dmse": Entry("builders:mimo_dmse", "deterministic chain of posterior means"),
    "score-vamp": Entry("builders:mimo_vamp", "denoiser and pilots in turns"),
    "score-posterior": Entry("builders:mimo_posterior", "mean of 8 posterior samples"),
    "score-langevin": Entry(
        "builders:mimo_langevin",
        "annealed Langevin, 6,933 evaluations",
    ),
    "score-adaptive": Entry(
        "builders:mimo_adaptive",
        "spectra read off the pilots, one step",
    ),
    "bussgang": Entry(
        "builders:coarse_bussgang",
        "linear MMSE behind converters, with the average covariance",
    ),
    "bussgang-genie": Entry(
        "builders:coarse_bussgang_genie", "the same with each channel's covariance"
    ),
    "bussgang-score": Entry(
        "builders:coarse_around", "the denoiser, distortion of converters as noise"
    ),
    "ep-score": Entry(
        "builders:coarse_message_passing",
        "the denoiser and the cells of the converters in turns",
    ),
    "ep-genie": Entry(
        "builders:coarse_genie", "the same with each covariance known, the bound"
    ),
}
"""Built for a `MimoContext`: (y, pilots, no) -> h_hat, err_var. What `COVARIANCE` build
takes the covariances of receive and transmit antennas after `no`."""
COVARIANCE = "genie", "bussgang-genie", "ep-genie"
COARSE = "bussgang", "bussgang-genie", "bussgang-score", "ep-score", "ep-genie"
"""Those of `MIMO` that know converters of few bits."""
ORTHOGONAL = *COARSE, "genie", "score-tweedie", "score-dmse"
"""Those of `MIMO` that need orthogonal pilots."""
FIELDS: dict[str, Entry] = {
    "ls": Entry("fields:least_squares", "least squares, straight lines between pilots"),
    "lmmse": Entry("fields:lmmse", "linear MMSE with the covariance of a site or UMi"),
    "lmmse-few": Entry(
        "fields:few",
        "the same from 16 users, leaning towards UMi as far as pilots say; lmmse-few-N",
        FEW,
    ),
    "mixture": Entry(
        "fields:mixture",
        "MMSE under a mixture of 32 Gaussians of a site or UMi; mixture-N has N",
        COMPONENTS,
    ),
    "nearest": Entry(
        "fields:nearest", "the channel learned from that is most like what is seen"
    ),
    "score": Entry(
        "fields:score",
        "posterior mean under a learned prior of angles and delays",
        weights=("csi-ofdm",),
    ),
    "nomp": Entry("fields:nomp", "matching pursuit of paths off the grid, by Newton"),
    "score-paths": Entry(
        "fields:score_paths",
        "at most 16 paths of nomp, then score on what they leave",
        weights=("csi-ofdm",),
    ),
    "neural": Entry(
        "fields:neural",
        "posterior mean of a diffusion model of the site munich, with all pilots",
        weights=("csi-site",),
    ),
    "neural-located": Entry(
        "fields:neural_located",
        "the same that is told place and line of sight",
        weights=("csi-site",),
    ),
    "genie": Entry("fields:genie", "LMMSE that knows the paths but their gains"),
}
"""Built for a `FieldContext`: (y, no, carriers) -> h_hat, err_var. What `genie` builds
takes powers and waves of the paths after `carriers`, and `neural-located` places from
the station [m] and whether they are in line of sight."""
PREDICTORS: dict[str, Entry] = {
    "hold": Entry(
        "fields:hold",
        "what score-paths estimates of the last slot",
        weights=("csi-ofdm",),
    ),
    "kalman": Entry(
        "fields:kalman",
        "Kalman filter of a first-order process, speed and covariance known",
    ),
    "lmmse": Entry(
        "fields:predicting_lmmse", "linear MMSE by Jakes's process, likewise"
    ),
    "score": Entry(
        "fields:predicting_score",
        "the same by the angles and delays that the user's slots tell",
        weights=("csi-ofdm",),
    ),
    "nomp": Entry(
        "fields:predicting_nomp", "paths with Doppler shifts off the grid, gone on"
    ),
    "score-paths": Entry(
        "fields:predicting_score_paths",
        "at most 16 paths of nomp, then score on what they leave",
        weights=("csi-ofdm",),
    ),
    "genie": Entry(
        "fields:predicting_genie", "LMMSE that knows the paths but their gains"
    ),
}
"""Built for a `FieldContext`: (y, no, ahead, doppler) -> h_hat, err_var. What `genie`
builds takes powers, waves and Doppler shifts of the paths after `doppler`."""
FEEDBACK: dict[str, Entry] = {
    "rate-distortion": Entry(
        None,
        "the rate-distortion function, covariance of each channel known; a bound for "
        "scm, on sites a reference only",
    ),
    "genie": Entry(
        "codecs:genie", "trellis-coded levels with the covariance of each channel"
    ),
    "genie-scalar": Entry("codecs:genie_scalar", "the same by scalar quantisation"),
    "global": Entry("codecs:everywhere", "the covariance of UMi and the site together"),
    "transform": Entry("codecs:transform", "the covariance of the ensemble"),
    "mixture": Entry(
        "codecs:mixture",
        "the one of 32 covariances that suits a channel; mixture-N has N",
        COMPONENTS,
    ),
    "paths": Entry(
        "codecs:paths",
        "angles, delays and gains of at most 16 paths, levels for the rest; paths-N",
        PATHS,
    ),
    "sequential": Entry(
        "codecs:sequential",
        "cells of projections, each chosen by the posterior of `mixture` given those "
        "before; sequential-N",
        COMPONENTS,
    ),
    "autoencoder": Entry(
        "codecs:autoencoder",
        "a convolutional autoencoder of a site's channels, 16 antennas x 64 "
        "subcarriers",
        weights=("feedback-autoencoder",),
    ),
}
"""Built for a `FeedbackContext`: codecs, see `feedback.codecs`."""
SOUNDING: dict[str, Entry] = {
    "ls": Entry("soundings:least_squares", "least squares of minimum norm"),
    "lmmse": Entry("soundings:lmmse", "linear MMSE with the population's covariance"),
    "sample-lmmse": Entry(
        "soundings:sample_lmmse", "the same with that of received pilots"
    ),
    "spectrum": Entry(
        "soundings:spectrum", "wavenumber spectrum learned from received pilots alone"
    ),
    "score": Entry(
        "soundings:score",
        "the same, read off them by a network that saw received pilots alone",
        weights=("csi-planes",),
    ),
    "swomp": Entry("soundings:swomp", "matching pursuit over plane waves"),
    "p-somp": Entry("soundings:polar_somp", "the same over angles and curvatures"),
    "p-sigw": Entry("soundings:polar_sigw", "P-SOMP with its atoms moved off the grid"),
    "sbl": Entry("soundings:on_grid", "sparse Bayesian learning on the polar grid"),
    "off-grid": Entry("soundings:off_grid", "sparse Bayesian paths off the grid"),
    "off-grid-averaged": Entry(
        "soundings:off_grid_averaged", "the mean of eight such that differ by chance"
    ),
    "off-grid-delays": Entry(
        "soundings:off_grid_delays", "the same with one gain and one delay a path"
    ),
    "off-grid-visible": Entry(
        "soundings:off_grid_visible", "off-grid with visibility windows, or without"
    ),
    "plane-vamp": Entry(
        "soundings:plane_vamp",
        "message passing around a network trained on fields as those of um-mimo-near",
        weights=("csi-near-planes",),
    ),
    "genie": Entry("soundings:genie", "LMMSE that knows the geometry, or covariance"),
    "crb": Entry("soundings:cramer_rao", "Cramer-Rao bound, a gain per subcarrier"),
    "crb-delays": Entry("soundings:cramer_rao_delays", "the same with delays"),
}
"""Built for a `SoundingContext`: (y, m, no) -> h_hat, err_var. What `KNOWING` build
take the world, h and its paths, after `no`."""
KNOWING = "genie", "crb", "crb-delays"
SEMI_BLIND: dict[str, Entry] = {
    "perfect-csi": Entry(
        "decoding.semi_blind:KnownChannel", "the true channel, the bound"
    ),
    "genie": Entry(
        "builders:blocks_of_genie", "that knows the angles and powers of all paths"
    ),
    "pilots": Entry(
        "builders:blocks_by_pilots", "linear MMSE by pilots alone, then turns"
    ),
    "lmmse": Entry(
        "builders:blocks_by_lmmse",
        "the covariance of all channels, told by pilots and symbols",
        STARTS,
    ),
    "spectrum": Entry(
        "builders:blocks_by_spectrum",
        "a spectrum over the angles of both ends, read anew in each round; spectrum-N "
        "begins up to N times, by channels drawn from its posterior",
        STARTS,
    ),
}
"""Built for a `BlockContext`: receivers of `decoding.semi_blind`."""
PRECODERS: dict[str, Entry] = {
    "mrt": Entry("precoding.linear:MRT", "maximum ratio transmission"),
    "zf": Entry("precoding.linear:ZF", "zero forcing, equal powers"),
    "zf-water-filling": Entry(
        "builders:zero_forcing_water", "zero forcing, powers by water-filling"
    ),
    "rzf": Entry("precoding.linear:RZF", "regularised zero forcing, equal powers"),
    "rzf-total": Entry(
        "builders:transmit_wiener", "the same, only the total power normalised"
    ),
    "wmmse": Entry(
        "precoding.wmmse:WMMSE",
        "weighted MMSE with matrices of all antennas, 100 iterations; wmmse-N takes N",
        ITERATIONS,
    ),
    "r-wmmse": Entry(
        "precoding.wmmse:ReducedWMMSE",
        "the same beams with matrices of the users only; r-wmmse-N",
        ITERATIONS,
    ),
    "nc-zf": Entry(
        "precoding.calibrated:CalibratedZF.from_preset",
        "zero forcing whose weights and powers a network gives",
        weights=("nc-zf",),
    ),
    "nc-published": Entry(
        "precoding.calibrated:CalibratedInputZF.from_preset",
        "zero forcing whose input a network moves, 1,024 antennas",
        weights=("nc-published",),
    ),
}
"""Built for nothing: (h, no) -> v; see `link_sim.receivers.precoding`."""

SLOTS: dict[str, Table] = {
    "estimator": ESTIMATORS,
    "detector": DETECTORS,
    "decoder": DECODERS,
    "restorer": RESTORERS,
    "loop": LOOPS,
}
"""Of a receiver, in order; the loop says how often the first three work."""
KINDS: dict[str, dict[str, Table]] = {
    "link": SLOTS,
    "semantic": {
        "estimator": ESTIMATORS,
        "symbols": SYMBOLS,
        "decoder": SEMANTIC | SEPARATION,
    },
    "separation": {"codec": PICTURES},
    "csi": {"estimator": FIELDS | MIMO},
    "detection": {"detector": SYMBOL_DETECTORS},
    "sounding": {"estimator": SOUNDING},
    "focusing": {"precoder": PRECODERS},
    "feedback": {"codec": FEEDBACK},
    "prediction": {"predictor": PREDICTORS},
    "semi-blind": {"receiver": SEMI_BLIND},
}
"""The slots of receivers by the kind of experiment; their names are joined by `+`."""
OPTIONAL = ("symbols",)
"""Slots that a name may leave out."""
