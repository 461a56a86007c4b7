import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from pytest_calsim.errors import PlacementWarning, SpecError, SpecWarning
from pytest_calsim.microscope.acquisition import Acquisition, ImageSensor, Optics
from pytest_calsim.microscope.canvas import Canvas
from pytest_calsim.recording.simulate import simulate
from pytest_calsim.simulation.planning import plan
from pytest_calsim.spec.spec import Spec
from pytest_calsim.steps.cells import place_neurons
from pytest_calsim.steps.cells.packing import RING_UM, Zone
from pytest_calsim.steps.cells.place_neurons import MAX_CELLS, Cells, PlaceNeurons, Population
from pytest_calsim.steps.step import SpecContext

V4 = Acquisition()
SMALL = Acquisition(image_sensor=ImageSensor(height_px=48, width_px=64), duration_s=0.1)
DENSE = {"density_per_mm3": 2e5, "thickness_um": 40.0, "depth_um": 60.0}


def canvas(acquisition: Acquisition, margin_um: float = 0.0) -> Canvas:
    sensor, pixel = acquisition.image_sensor, acquisition.pixel_size_um
    return Canvas(sensor.height_px, sensor.width_px, math.ceil(margin_um / pixel), pixel)


def rows(cells: Cells) -> dict[tuple[int, int, int], tuple[float, ...]]:
    """Everything placed, by the cells' lasting names."""
    return {
        cells.entity(i): (*cells.center_um[i], cells.radius_um[i], cells.brightness[i], bool(cells.in_fov[i]))
        for i in range(len(cells))
    }


def gaps_um(cells: Cells) -> np.ndarray:
    """Distance between each two centres less the sum of their radii."""
    apart = np.linalg.norm(cells.center_um[:, None] - cells.center_um[None], axis=2)
    i, j = np.triu_indices(len(cells), 1)
    return apart[i, j] - cells.radius_um[i] - cells.radius_um[j]


# --- counts


@pytest.mark.parametrize(("thickness", "effective"), [(50.0, 50.0), (11.0, 11.0), (4.0, 11.0), (0.0, 11.0)])
@pytest.mark.parametrize("labelled", [1.0, 0.25])
def test_count_is_density_by_volume_with_the_soma_as_floor(thickness, effective, labelled):
    population = Population(
        density_per_mm3=4e4, thickness_um=thickness, soma_radius_um=5.5, labelled_fraction=labelled, depth_um=100
    )
    cells = PlaceNeurons(populations=(population,)).sample(V4)
    side_mm = 608 * 4.8 / 2.9 / 1000
    assert len(cells) == cells.requested == round(4e4 * side_mm**2 * effective / 1000 * labelled)


def test_rings_hold_the_same_density():
    cells = PlaceNeurons().sample(V4, 0, canvas(V4, 60))
    side_mm = (608 * 4.8 / 2.9 + 2 * 75) / 1000  # three whole rings of 25 µm cover 60 µm
    assert abs(len(cells) - 3.2e4 * side_mm**2 * 0.03) <= 2
    assert np.abs(cells.center_um[:, 1:]).max() <= side_mm * 500
    assert np.abs(cells.center_um[:, 1:]).max() > side_mm * 500 - 5


def test_without_margin_every_cell_is_in_view():
    cells = PlaceNeurons().sample(V4)
    assert cells.in_fov.all()
    assert not PlaceNeurons().sample(V4, 0, canvas(V4, 5)).in_fov[len(cells) :].any()


# --- where


def test_somata_do_not_interpenetrate():
    step = PlaceNeurons(
        populations=(
            Population(**DENSE, soma_radius_cv=0.2),
            Population(**DENSE | {"depth_um": 80}, soma_radius_um=8, soma_radius_cv=0.1),
        )
    )
    cells = step.sample(SMALL, 3, canvas(SMALL, 30))
    assert len(cells) > 400
    assert set(cells.population) == {0, 1}
    assert gaps_um(cells).min() >= 0
    assert gaps_um(cells).min() < 0.5  # and are packed: the bound is met


def test_min_distance_replaces_the_radii():
    population = Population(density_per_mm3=5e4, thickness_um=30)
    for least in (0.0, 25.0):
        cells = PlaceNeurons(populations=(population,), min_distance_um=least).sample(SMALL, 1, canvas(SMALL, 40))
        apart = np.linalg.norm(cells.center_um[:, None] - cells.center_um[None], axis=2)
        nearest = apart[np.triu_indices(len(cells), 1)].min()
        assert nearest >= least
        assert (nearest < 11) == (least == 0)


def test_uniform_in_the_plane_and_through_the_layer():
    step = PlaceNeurons()
    centers = np.concatenate([step.sample(V4, seed).center_um for seed in range(8)])
    half = 304 * 4.8 / 2.9
    counts, _, _ = np.histogram2d(centers[:, 1], centers[:, 2], bins=8, range=[[-half, half]] * 2)
    assert counts.sum() == len(centers)
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3
    assert stats.kstest(centers[:, 0], stats.uniform(85, 30).cdf).pvalue > 1e-3


@pytest.mark.parametrize("ring", [1, 2])
def test_a_ring_is_filled_evenly(ring):
    zone = Zone(2 * RING_UM, 1.5 * RING_UM, ring)  # boxes of one ring width tile it
    u, v = np.random.default_rng(0).random((2, 60_000))
    y, x = zone.spread(u, v)
    half_y, half_x = zone.outer_um
    counts, _, _ = np.histogram2d(
        y,
        x,
        bins=(round(2 * half_y / RING_UM), round(2 * half_x / RING_UM)),
        range=((-half_y, half_y), (-half_x, half_x)),
    )
    border = np.ones_like(counts, bool)
    border[1:-1, 1:-1] = False
    assert counts[~border].sum() == 0
    assert zone.area_um2 == pytest.approx(border.sum() * RING_UM**2)
    assert stats.chisquare(counts[border]).pvalue > 1e-3


# --- size and brightness


def test_radius_and_brightness_have_the_declared_mean_and_deviation():
    population = Population(soma_radius_um=6, soma_radius_cv=0.15, brightness=2, brightness_cv=0.6)
    step = PlaceNeurons(populations=(population,))
    draws = [step.sample(V4, seed) for seed in range(12)]
    radius = np.concatenate([c.radius_um for c in draws])
    gain = np.concatenate([c.brightness for c in draws])
    n = len(radius)
    assert abs(radius.mean() - 6) < 4 * 0.9 / math.sqrt(n)
    assert radius.std() / radius.mean() == pytest.approx(0.15, rel=0.03)
    assert abs(gain.mean() - 2) < 4 * 1.2 / math.sqrt(n)
    assert gain.std() / gain.mean() == pytest.approx(0.6, rel=0.06)
    log = np.log(gain)
    assert stats.kstest(log, stats.norm(log.mean(), log.std()).cdf).pvalue > 1e-3


def test_no_spread_means_all_alike():
    population = Population(soma_radius_cv=0, brightness_cv=0, soma_radius_um=5, brightness=3)
    cells = PlaceNeurons(populations=(population,)).sample(SMALL)
    assert set(cells.radius_um) == {5.0}
    assert set(cells.brightness) == {3.0}


def test_crowding_does_not_select_small_somata():
    step = PlaceNeurons(populations=(Population(**DENSE, soma_radius_cv=0.25),))
    cells = [step.sample(SMALL, seed, canvas(SMALL, 50)) for seed in range(10)]
    assert all(len(c) == c.requested for c in cells)
    radius = np.concatenate([c.radius_um for c in cells])
    assert abs(radius.mean() - 5.5) < 4 * 5.5 * 0.25 / math.sqrt(len(radius))


# --- laws

densities = st.floats(0, 3e5)
populations = st.builds(
    Population,
    density_per_mm3=densities,
    thickness_um=st.floats(0, 60),
    depth_um=st.floats(30, 90),
    soma_radius_um=st.floats(3, 15),
    soma_radius_cv=st.floats(0, 0.25),
)
steps = st.builds(
    PlaceNeurons,
    populations=st.lists(populations, min_size=1, max_size=3).map(tuple),
    min_distance_um=st.none() | st.floats(0, 50),
)
seeds = st.integers(0, 2**63 - 1)
margins = st.floats(0, 80)


@settings(max_examples=60)
@given(steps, seeds, margins, margins)
def test_more_margin_only_appends(step, seed, margin, more):
    few = step.sample(SMALL, seed, canvas(SMALL, margin))
    many = step.sample(SMALL, seed, canvas(SMALL, margin + more))
    n = len(few)
    for name in ("center_um", "radius_um", "brightness", "identity", "in_fov"):
        assert np.array_equal(getattr(many, name)[:n], getattr(few, name))


@settings(max_examples=60)
@given(steps, populations, seeds, margins)
def test_another_population_only_adds(step, another, seed, margin):
    where = canvas(SMALL, margin)
    before = rows(step.sample(SMALL, seed, where))
    more = PlaceNeurons(populations=(*step.populations, another), min_distance_um=step.min_distance_um)
    after = rows(more.sample(SMALL, seed, where))
    assert {name: row for name, row in after.items() if name[0] < len(step.populations)} == before


@settings(max_examples=60)
@given(populations, densities, seeds, margins, st.none() | st.floats(0, 50))
def test_more_density_only_appends_in_its_zone(population, more, seed, margin, least):
    denser = population.model_copy(update={"density_per_mm3": population.density_per_mm3 + more})
    few, many = (
        rows(PlaceNeurons(populations=(p,), min_distance_um=least).sample(SMALL, seed, canvas(SMALL, margin)))
        for p in (population, denser)
    )
    field = [name for name in few if name[1] == 0]
    assert [name for name in many if name[1] == 0][: len(field)] == field
    assert all(many[name] == few[name] for name in field)


@settings(max_examples=30)
@given(steps, seeds, margins)
def test_nothing_interpenetrates_whatever_the_spec(step, seed, margin):
    cells = step.sample(SMALL, seed, canvas(SMALL, margin))
    assert len(cells) <= cells.requested
    assert (cells.center_um[:, 0] >= 0).all()
    if len(cells) > 1 and step.min_distance_um is None:
        assert gaps_um(cells).min() >= 0


def test_brightness_and_morphology_move_no_cell():
    plain = PlaceNeurons().sample(V4, 5)
    other = PlaceNeurons(populations=(Population(brightness_cv=1, brightness=4, morphology="cytosolic"),)).sample(V4, 5)
    assert np.array_equal(plain.center_um, other.center_um)
    assert np.array_equal(plain.radius_um, other.radius_um)


def test_seeds_differ_and_repeat():
    a, b, c = (PlaceNeurons().sample(V4, seed) for seed in (1, 1, 2))
    assert rows(a) == rows(b)
    assert not np.intersect1d(a.center_um, c.center_um).size


# --- under-placement


def test_under_placement_is_said_with_both_counts():
    spec = Spec(acquisition=SMALL, steps=(PlaceNeurons(populations=(Population(**DENSE | {"density_per_mm3": 8e5}),)),))
    cells = plan(spec).artifacts["place_neurons"]
    assert len(cells) < cells.requested
    with pytest.warns(
        PlacementWarning, match=rf"placed {len(cells)} of {cells.requested} cells.*lower density_per_mm3"
    ):
        simulate(spec)


def test_a_full_placement_says_nothing():
    assert PlaceNeurons().sample(V4).notes() == ()


def test_a_crowded_layer_is_filled_as_random_sequential_packing_can():
    """Random sequential addition of equal spheres jams at 38 % of the volume; 64 tries come close, never past."""
    thick = Population(
        density_per_mm3=1e6, thickness_um=150, depth_um=100, soma_radius_um=6, soma_radius_cv=0, brightness_cv=0
    )
    cells = PlaceNeurons(populations=(thick,)).sample(SMALL)
    inner = np.all(np.abs(cells.center_um - [100, 0, 0]) < [60, 30, 40], axis=1)
    filled = inner.sum() * 4 / 3 * math.pi * 6**3 / (120 * 60 * 80)
    assert 0.25 < filled < 0.385


# --- given positions


def test_given_positions_are_taken_as_they_are():
    given_um = ((20.0, -3.0, 4.5), (20.0, -3.0, 5.0), (0.0, 45.0, 0.0))
    step = PlaceNeurons(positions_um=given_um, populations=(Population(soma_radius_cv=0, morphology="bead"),))
    cells = plan(Spec(acquisition=SMALL, steps=(step,))).artifacts["place_neurons"]
    assert cells.center_um.tolist() == [list(p) for p in given_um]
    assert cells.in_fov.tolist() == [True, True, False]
    assert cells.is_bead.all()
    assert cells.population.tolist() == [0, 0, 0]
    assert cells.requested == 3
    assert cells.radius_um.tolist() == [5.5] * 3


def test_positions_have_the_properties_of_the_slots_that_they_replace():
    scattered = PlaceNeurons().sample(V4, 7)
    given_um = tuple(tuple(p) for p in scattered.center_um.tolist())
    assert rows(PlaceNeurons(positions_um=given_um).sample(V4, 7)) == rows(scattered)


def test_no_cells_at_all():
    for step in (PlaceNeurons(positions_um=()), PlaceNeurons(populations=(Population(density_per_mm3=0),))):
        cells = step.sample(V4)
        assert len(cells) == cells.requested == 0
        assert cells.center_um.shape == (0, 3)
        assert cells.is_bead.shape == (0,)
        assert cells.notes() == ()


# --- what is refused


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"populations": [{"depth_um": 10, "thickness_um": 30}]},
            r"reaches 5 um above the tissue's surface; lower .* 20",
        ),
        ({"populations": [{"density_per_mm3": -1}]}, "density_per_mm3 = -1"),
        ({"populations": [{"labelled_fraction": 1.5}]}, "labelled_fraction = 1.5"),
        ({"populations": [{"morphology": "blob"}]}, "morphology = 'blob'"),
        ({"populations": []}, "populations"),
        ({"populations": [{}, {}], "positions_um": [[1, 2, 3]]}, "one population, and 2 are given"),
        ({"positions_um": [[5, 0, 0], [-5, 0, 0]]}, r"positions_um\[1\] has depth z = -5.0 um"),
        ({"positions_um": [[5, 900, 0]]}, r"positions_um\[0\] lies off the canvas: .* = \(900.0, 0.0\)"),
        ({"positions_um": [[5, 0, 80]]}, "off the canvas"),
        ({"min_distance_um": 51}, "min_distance_um = 51"),
        ({"tilt": 3}, "tilt: no such field"),
        (
            {"populations": [{"density_per_mm3": 1e6, "thickness_um": 2000, "depth_um": 1000}]},
            r"ask for \d+ cells",
        ),
    ],
)
def test_refusals_are_one_clear_line(fields, line):
    wide = Acquisition(image_sensor=ImageSensor(height_px=64, width_px=64))
    with pytest.raises(SpecError, match=line) as caught:
        Spec.make({"acquisition": wide.model_dump(), "steps": [{"kind": "place_neurons", **fields}]})
    assert "\n" not in str(caught.value)


def test_the_number_of_cells_is_bounded_and_said():
    population = Population(density_per_mm3=1e6, thickness_um=100)
    expected = round(1e6 * (608 * 4.8 / 2.9 / 1000) ** 2 * 0.1)
    with pytest.raises(ValidationError, match=rf"ask for {expected} cells .* at most {MAX_CELLS}"):
        Spec(acquisition=V4, steps=(PlaceNeurons(populations=(population,)),))


def test_a_small_field_with_a_wide_margin_is_bounded_too():
    population = Population(density_per_mm3=1e6, thickness_um=60)
    step = PlaceNeurons(populations=(population,))
    assert step.check(SpecContext(SMALL, canvas(SMALL, 50), frozenset())) == []
    with pytest.raises(ValueError, match="lower density_per_mm3"):
        step.check(SpecContext(SMALL, canvas(SMALL, 500), frozenset()))


def test_positions_may_use_the_margin():
    step = PlaceNeurons(positions_um=((10, 0, 120),))
    assert step.check(SpecContext(SMALL, canvas(SMALL, 60), frozenset())) == []
    with pytest.raises(ValueError, match="off the canvas"):
        step.check(SpecContext(SMALL, canvas(SMALL, 0), frozenset()))


def test_a_focus_far_from_every_cell_is_odd():
    step = PlaceNeurons(populations=(Population(depth_um=100), Population(depth_um=300)))
    with pytest.warns(SpecWarning, match=r"focus at 200 um lies outside the cells' depths \(85-115, 285-315 um\)"):
        Spec(acquisition=Acquisition(focal_depth_um=200), steps=(step,))
    Spec(acquisition=Acquisition(focal_depth_um=290), steps=(step,))
    curved = Acquisition(focal_depth_um=200, optics=Optics(field_curvature_radius_um=2500))
    Spec(acquisition=curved, steps=(step,))  # the focal surface rises by 103 µm to the corner, through the upper layer


@pytest.mark.parametrize("name", list(Population.model_fields))
@pytest.mark.parametrize("end", [0, 1])
def test_the_ends_of_every_range_place_finite_cells(name, end):
    bounds = {
        "density_per_mm3": (0, 1e6),
        "labelled_fraction": (0, 1),
        "depth_um": (15, 2000),
        "thickness_um": (0, 200),
        "soma_radius_um": (1, 15),
        "soma_radius_cv": (0, 0.25),
        "brightness": (0, 1000),
        "brightness_cv": (0, 2),
        "snr": (0.1, 1000),
        "morphology": ("bead", "cytosolic"),
    }
    step = PlaceNeurons(populations=(Population(**{name: bounds[name][end]}),) * 2)
    cells = step.sample(SMALL, 0, canvas(SMALL, 10))
    assert np.isfinite(cells.center_um).all()
    assert (cells.radius_um > 0).all()
    assert np.isfinite(cells.brightness).all()
    assert (cells.brightness >= 0).all()


def test_an_enormous_empty_field_costs_nothing():
    vast = Acquisition(
        image_sensor=ImageSensor(height_px=8192, width_px=8192, pixel_pitch_um=100), optics=Optics(magnification=0.05)
    )
    assert len(PlaceNeurons(populations=(Population(density_per_mm3=1e-6),) * 8).sample(vast)) > 0


# --- what is handed on


def test_sampling_is_the_plan_and_draws_no_shape(monkeypatch):
    def fail(*_):
        raise AssertionError("a shape was drawn")

    monkeypatch.setattr(place_neurons, "draw_shapes", fail)
    spec = Spec(acquisition=V4, steps=(PlaceNeurons(),), seed=11)
    planned = plan(spec).artifacts["place_neurons"]
    assert rows(spec.step("place_neurons").sample(V4, 11, spec.canvas)) == rows(planned)


def test_truth_columns():
    cells = PlaceNeurons().sample(V4, 0, canvas(V4, 20))
    truth = cells.truth()
    assert set(truth) == {"depth_um", "y_um", "x_um", "radius_um", "population", "in_fov", "amplitude"}
    assert all(t.dims == ("unit_id",) and t.values.shape == (len(cells),) for t in truth.values())
    assert np.array_equal(truth["amplitude"].values, cells.brightness)
    assert np.array_equal(np.stack([truth[k].values for k in ("depth_um", "y_um", "x_um")], 1), cells.center_um)


def test_cells_are_read_only():
    cells = PlaceNeurons().sample(SMALL)
    with pytest.raises(ValueError, match="read-only"):
        cells.center_um[0] = 0
    assert all(type(part) is int for part in cells.entity(0))
