"""The sensor before an independent judge: the reference implementation of the EMVA 1288 standard (PyPI: emva1288)."""

import logging

import numpy as np
import pytest
from painting import photon_rate
from scipy import stats

from pytest_calsim.recording.simulate import simulate
from pytest_calsim.spec.spec import Spec

pytestmark = pytest.mark.slow

SIDE = 256
CHIP = {
    "height_px": SIDE,
    "width_px": SIDE,
    "bit_depth": 10,
    "prnu_fraction": 0.02,
    "dsnu_adu": 1.5,
    "black_level_adu": 64,
}
"""The default chip in its 10-bit mode, with a fixed pattern; counts are well above 0, as the standard asks for."""

LEVELS = np.linspace(0, 20_000, 41)
"""Photons a pixel."""


@pytest.fixture(autouse=True)
def numpy_1_names(monkeypatch):
    """emva1288 1.0.2 uses a name that NumPy 2 no longer has."""
    monkeypatch.setattr(np, "asfarray", lambda values: np.asarray(values, float), raising=False)


def flat_frames(photons, n, **chip):
    """Frames of a flat field of so many photons a pixel, int64 ``(n, height, width)``."""
    steps = [{"kind": "sensor", "photon_rate_per_s_um2": photon_rate(photons / 1000 or 1.0)}]
    if photons > 0:
        steps.append({"kind": "leakage", "level": 1000.0, "corner_fraction": 1.0})
    acquisition = {"fps": 20, "duration_s": n / 20, "image_sensor": {**CHIP, **chip}}
    return simulate(Spec.make({"acquisition": acquisition, "steps": steps, "seed": 8})).observed.values.astype(np.int64)


def measured(**chip):
    """What the standard's implementation makes of 41 pairs of frames and two stacks of 64."""
    data = pytest.importorskip("emva1288.process.data", exc_type=ImportError)
    results = pytest.importorskip("emva1288.process.results", exc_type=ImportError)

    def sums(frames):
        total = frames.sum(axis=0)
        spread = ((len(frames) * frames - total) ** 2).sum(axis=0)
        return {"sum": total, "pvar": spread, "L": len(frames)}

    temporal = {}
    for photons in LEVELS.tolist():
        pair = flat_frames(photons, 2, **chip)
        image = sums(pair)
        means = pair.mean(axis=(1, 2))
        temporal[photons] = {
            "sum": image["sum"].sum(),
            # Of two frames 2·(a − b)² is counted here; the standard's is (a − b)² twice over two.
            "pvar": image["pvar"].sum(),
            "dmean": means[0] - means[1],
        }
    spatial = {photons: sums(flat_frames(photons, 64, **chip)) for photons in (0.0, 8000.0)}
    both = {"width": SIDE, "height": SIDE, "temporal": {50e6: temporal}, "spatial": {50e6: spatial}}
    judged = data.Data1288(both, loglevel=logging.ERROR).data
    return results.Results1288(judged, pixel_area=4.8**2, loglevel=logging.ERROR)


def brightest_before_clipping(full_well_e):
    """The level, electrons, at which clipped Poisson counts of pixels that differ by 2 % vary most."""
    responses = stats.norm.ppf((np.arange(99) + 0.5) / 99, 1, 0.02)
    variances = []
    for mean in LEVELS * 0.55:
        counts = stats.norm(mean * responses, np.sqrt(mean * responses) + 1e-9)
        electrons = np.minimum(counts.ppf((np.arange(200)[:, None] + 0.5) / 200), full_well_e)
        variances.append(electrons.var(axis=0).mean())
    return LEVELS[np.argmax(variances)] * 0.55


def test_it_reads_off_the_declared_chip():
    found = measured()
    np.testing.assert_allclose((found.K, found.QE), (0.1, 55), rtol=0.01)
    assert found.sigma_d == pytest.approx(10, rel=0.02)
    # The standard calls a chip saturated where its variance is largest: a little below the full well.
    assert found.u_e_sat == pytest.approx(brightest_before_clipping(9000.0), abs=LEVELS[1] * 0.55)
    np.testing.assert_allclose((found.DSNU1288_DN(), found.PRNU1288), (1.5, 2.0), rtol=0.02)
    assert abs(found.LE_max) < 0.5
    assert abs(found.LE_min) < 0.5


@pytest.mark.parametrize(
    ("chip", "quantity", "expected"),
    [
        ({"gain_adu_per_e": 0.05}, "K", 0.05),
        ({"quantum_efficiency": 0.3}, "QE", 30),
        ({"read_noise_e": 25}, "sigma_d", 25),
        ({"prnu_fraction": 0.005}, "PRNU1288", 0.5),
    ],
)
def test_it_follows_what_is_changed(chip, quantity, expected):
    assert getattr(measured(**chip), quantity) == pytest.approx(expected, rel=0.03)
