import pytest

from pytest_calsim import Spec
from pytest_calsim.errors import SpecError
from pytest_calsim.steps import Population


@pytest.mark.parametrize("field", [(12.0, 8.0), (8.0, 12.0), (500.0, 4.0), (12.0, 12.0)])
def test_a_soma_may_be_as_wide_as_the_field_is_long(field):
    Population(soma_radius_um=6).check_size(field)


@pytest.mark.parametrize("morphology", ["soma", "cytosolic"])
@pytest.mark.parametrize("field", [(11.9, 8.0), (8.0, 11.9), (11.9, 11.9)])
def test_a_soma_larger_than_the_field_is_refused(field, morphology):
    with pytest.raises(ValueError, match="soma_radius_um = 6: a soma of 12 um is larger than the field of view"):
        Population(soma_radius_um=6, morphology=morphology).check_size(field)


def test_a_bead_has_no_width():
    Population(soma_radius_um=15, morphology="bead").check_size((1.0, 1.0))


def test_a_spec_names_the_population_and_the_way_out():
    sensor = {"height_px": 8, "width_px": 9, "pixel_pitch_um": 2.9}
    spec = {"acquisition": {"image_sensor": sensor}, "steps": [{"kind": "place_neurons", "populations": [{}]}]}
    with pytest.raises(SpecError) as caught:
        Spec.make(spec)
    assert str(caught.value) == (
        "place_neurons: populations.0: soma_radius_um = 5.5: a soma of 11 um is larger than the field of view, "
        "8 x 9 um; lower soma_radius_um, or give the sensor more or larger pixels"
    )
    spec["steps"][0]["populations"] = [{"soma_radius_um": 4.5}]
    assert Spec.make(spec).kinds == ("place_neurons",)
