import numpy as np
import pytest

from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec

ACQUISITION = {"duration_s": 1.0, "image_sensor": {"height_px": 40, "width_px": 56}}
NEUROPIL = {"kind": "neuropil"}
ILLUMINATION = {"kind": "illumination", "corner_fraction": 0.5, "center_x_um": 12.0}
VIGNETTE = {"kind": "vignette", "corner_fraction": 0.3, "center_y_um": -9.0}
LEAKAGE = {"kind": "leakage", "corner_fraction": 0.9, "level": 2.0}


def scene(*steps):
    return plan(Spec.make({"acquisition": ACQUISITION, "steps": list(steps)}))


def test_the_truth_and_the_formula_give_the_movie():
    whole = scene(LEAKAGE, VIGNETTE, NEUROPIL, ILLUMINATION)
    truth = {name: array.values.astype(float) for name, array in whole.truth().items()}
    tissue = np.einsum("khw,kf->fhw", truth["neuropil_spatial"], truth["neuropil_temporal"])
    expected = truth["vignette"] * truth["illumination"] * tissue + truth["leakage"]
    assert whole.paint() == pytest.approx(expected, rel=1e-6)


def test_leakage_is_neither_vignetted_nor_unevenly_lit():
    dark = scene({"kind": "neuropil", "level": 0.0}, VIGNETTE, ILLUMINATION, LEAKAGE)
    assert np.array_equal(dark.paint()[3], scene(LEAKAGE).paint()[0])


def test_each_field_adds_or_scales_alone():
    plain = scene(NEUROPIL).paint()
    lit = scene(NEUROPIL, ILLUMINATION)
    seen = scene(NEUROPIL, VIGNETTE)
    assert lit.paint() == pytest.approx(plain * lit.truth()["illumination"].values, rel=1e-6)
    assert seen.paint() == pytest.approx(plain * seen.truth()["vignette"].values, rel=1e-6)
    leaky = scene(NEUROPIL, LEAKAGE)
    assert leaky.paint() - plain == pytest.approx(
        np.broadcast_to(leaky.truth()["leakage"].values, plain.shape), rel=1e-4
    )


def test_leakage_has_its_declared_level():
    assert scene(LEAKAGE).truth()["leakage"].values.max() == pytest.approx(2.0, rel=0.002)
    dark = scene({"kind": "leakage", "level": 0.0}).paint()
    assert np.all(dark == 0)


def test_at_rest_is_the_mean_picture():
    whole = scene(NEUROPIL, ILLUMINATION, VIGNETTE, LEAKAGE)
    truth = {name: array.values.astype(float) for name, array in whole.truth().items()}
    expected = truth["vignette"] * truth["illumination"] * truth["neuropil_spatial"].sum(0) + truth["leakage"]
    assert whole.expected_light() == pytest.approx(expected, rel=1e-6)
