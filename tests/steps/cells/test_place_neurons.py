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
from pytest_calsim.steps.cells import planted_cells
from pytest_calsim.steps.cells.place_neurons import MAX_CELLS, TISSUE_REACH_UM, Cells, PlaceNeurons, Population
from pytest_calsim.steps.step import SpecContext

V4 = Acquisition()
SMALL = Acquisition(image_sensor=ImageSensor(height_px=48, width_px=64), duration_s=0.1)
DENSE = {"density_per_mm3": 2e5, "thickness_um": 40.0, "depth_um": 60.0}


def canvas(acquisition: Acquisition, margin_um: float = 0.0) -> Canvas:
    sensor = acquisition.image_sensor
    pixel = acquisition.pixel_size_um
    return Canvas(sensor.height_px, sensor.width_px, math.ceil(margin_um / pixel), pixel)


def rows(cells: Cells) -> dict[tuple[int, int, int, int], tuple[float, ...]]:
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
def test_the_mean_count_is_density_by_volume_with_the_soma_as_floor(thickness, effective, labelled):
    population = Population(
        density_per_mm3=4e4, thickness_um=thickness, soma_radius_um=5.5, labelled_fraction=labelled, depth_um=100
    )
    step = PlaceNeurons(populations=(population,))
    counts = [len(step.sample(V4, seed)) for seed in range(12)]
    side_mm = 608 * 4.8 / 2.9 / 1000 + 2 * TISSUE_REACH_UM / 1000
    expected = 4e4 * side_mm**2 * effective / 1000 * labelled
    # Random sequential placement is no more regular than Poisson's; the time of a density is known to 1 %.
    assert np.mean(counts) == pytest.approx(expected, rel=0.01 + 4 / math.sqrt(12 * expected))
    assert len(set(counts)) > 6


@pytest.mark.parametrize("density", [2e4, 1e5, 2.5e5])
def test_crowding_keeps_the_density_in_every_layer(density):
    layers = tuple(
        Population(density_per_mm3=density, thickness_um=40, depth_um=depth, soma_radius_um=radius)
        for depth, radius in ((60, 5.5), (75, 4))
    )
    wide = Acquisition(image_sensor=ImageSensor(height_px=192, width_px=192))
    counts = np.zeros(2)
    for seed in range(6):
        cells = PlaceNeurons(populations=layers).sample(wide, seed)
        counts += np.bincount(cells.population, minlength=2)
    expected = 6 * density * (192 * 4.8 / 2.9 + 200) ** 2 * 40e-9
    assert counts / expected == pytest.approx(1, rel=0.02 + 3 / math.sqrt(expected))


@pytest.mark.parametrize("n", [0, 1, 7, 300])
@pytest.mark.parametrize("seed", range(3))
def test_n_cells_is_the_exact_number_in_view(n, seed):
    cells = PlaceNeurons(populations=(Population(n_cells=n),)).sample(V4, seed, canvas(V4, 20))
    assert cells.in_fov.sum() == n
    assert cells.requested == len(cells)
    assert cells.notes() == ()


def test_n_cells_and_the_density_that_gives_as_many_are_the_same_cells():
    some = PlaceNeurons(populations=(Population(density_per_mm3=6e4, thickness_um=20),)).sample(SMALL, 4)
    n = int(some.in_fov.sum())
    exact = PlaceNeurons(populations=(Population(n_cells=n, thickness_um=20),)).sample(SMALL, 4)
    fewer = PlaceNeurons(populations=(Population(n_cells=n - 3, thickness_um=20),)).sample(SMALL, 4)
    known = rows(some)
    assert list(rows(exact))[:n] == list(known)[:n]
    assert list(rows(fewer))[: n - 3] == list(known)[: n - 3]
    both = rows(exact).keys() & known.keys()
    assert len(both) >= min(len(exact), len(some))
    assert all(rows(exact)[name] == known[name] for name in both)


def test_populations_may_have_numbers_and_densities():
    step = PlaceNeurons(
        populations=(Population(n_cells=5), Population(depth_um=200), Population(n_cells=9, depth_um=205))
    )
    cells = step.sample(V4, 1)
    counts = np.bincount(cells.population[cells.in_fov])
    assert (counts[0], counts[2]) == (5, 9)
    assert 850 < counts[1] < 1100


def test_around_the_field_of_view_it_is_as_dense():
    counts = np.zeros(2)
    for seed in range(10):
        cells = PlaceNeurons().sample(V4, seed, canvas(V4, 16))
        reach = np.abs(cells.center_um[:, 1:]).max()
        side_um = 608 * 4.8 / 2.9
        around_um = canvas(V4, 16).margin_px * 4.8 / 2.9 + TISSUE_REACH_UM
        assert side_um / 2 + around_um - 5 < reach < side_um / 2 + around_um
        counts += len(cells), cells.in_fov.sum()
    assert counts[1] / counts[0] == pytest.approx((side_um / (side_um + 2 * around_um)) ** 2, rel=0.02)


@pytest.mark.parametrize("margin", [0.0, 16.0, 40.0])
def test_the_reach_around_what_comes_into_view_does_not_depend_on_the_motion(margin):
    wide = canvas(V4, margin)
    assert PlaceNeurons().reach_um(V4, wide) == TISSUE_REACH_UM + wide.margin_px * V4.pixel_size_um


def test_tissue_goes_on_beyond_the_widest_motion_and_the_widest_image():
    deep = PlaceNeurons(populations=(Population(depth_um=600),))
    focused = V4.model_copy(update={"focal_depth_um": 100.0})
    for step, acquisition, least in ((PlaceNeurons(), V4, 14), (deep, focused, 500 * V4.optics.cone_slope)):
        for margin in (0.0, 300.0):
            assert step.reach_um(acquisition, canvas(acquisition, margin)) > margin + least


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
    for least in (0.0, 25.0):
        population = Population(density_per_mm3=5e4, thickness_um=30, min_distance_um=least)
        cells = PlaceNeurons(populations=(population,)).sample(SMALL, 1, canvas(SMALL, 40))
        apart = np.linalg.norm(cells.center_um[:, None] - cells.center_um[None], axis=2)
        nearest = apart[np.triu_indices(len(cells), 1)].min()
        assert nearest >= least
        assert (nearest < 11) == (least == 0)


def test_uniform_in_the_plane_and_through_the_layer():
    step = PlaceNeurons()
    cells = [step.sample(V4, seed) for seed in range(8)]
    centers = np.concatenate([own.center_um[own.in_fov] for own in cells])
    half = 304 * 4.8 / 2.9
    counts, _, _ = np.histogram2d(centers[:, 1], centers[:, 2], bins=8, range=[[-half, half]] * 2)
    assert counts.sum() == len(centers)
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3
    assert stats.kstest(centers[:, 0], stats.uniform(85, 30).cdf).pvalue > 1e-3


def test_each_population_keeps_its_own_least_distance_from_earlier_ones():
    near = Population(density_per_mm3=5e4, min_distance_um=2)
    far = Population(density_per_mm3=5e4, min_distance_um=20)
    cells = PlaceNeurons(populations=(near, far)).sample(SMALL, 1)
    apart = np.linalg.norm(cells.center_um[:, None] - cells.center_um[None], axis=2) + 1e9 * np.eye(len(cells))
    first, second = (cells.population == i for i in (0, 1))
    assert 2 <= apart[np.ix_(first, first)].min() < 10
    assert apart[np.ix_(second, second)].min() >= 20
    assert apart[np.ix_(first, second)].min() >= 20
    assert second.sum() > 5


def test_tiles_leave_no_trace():
    """As many cells on each part of a tile, and as near to each other across borders of tiles as elsewhere."""
    step = PlaceNeurons(populations=(Population(density_per_mm3=1e5, thickness_um=20),))
    cells = [step.sample(V4, seed) for seed in range(4)]
    centers = np.concatenate([own.center_um for own in cells])
    for axis in (1, 2):
        assert stats.kstest(np.mod(centers[:, axis], 64) / 64, "uniform").pvalue > 1e-3
    across = []
    within = []
    for own in cells:
        apart = np.linalg.norm(own.center_um[:, None] - own.center_um[None], axis=2) + 1e9 * np.eye(len(own))
        tile = own.identity[:, 1:3]
        other = (tile[:, None] != tile[None]).any(axis=2)
        across.append((apart < 16)[other].sum())
        within.append((apart < 16)[~other].sum())
    # Of all pairs nearer than 16 um, the share across a border: 1 - (1 - 2d/(pi·64))² or so, at their mean distance.
    share = sum(across) / (sum(across) + sum(within))
    assert 0.2 < share < 0.4
    assert min(gaps_um(own).min() for own in cells) >= 0


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


# --- laws

densities = st.floats(0, 3e5)
populations = st.builds(
    Population,
    density_per_mm3=densities,
    thickness_um=st.floats(0, 60),
    depth_um=st.floats(30, 90),
    soma_radius_um=st.floats(3, 15),
    soma_radius_cv=st.floats(0, 0.25),
    min_distance_um=st.none() | st.floats(0, 50),
    n_cells=st.none() | st.integers(0, 12),
)
steps = st.builds(PlaceNeurons, populations=st.lists(populations, min_size=1, max_size=3).map(tuple))
seeds = st.integers(0, 2**63 - 1)
margins = st.floats(0, 200)


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
    more = PlaceNeurons(populations=(*step.populations, another))
    after = rows(more.sample(SMALL, seed, where))
    assert {name: row for name, row in after.items() if name in before} == before
    reach = step.reach_um(SMALL, where)
    for name, row in after.items():
        if name[0] < len(step.populations) and name not in before:  # another's light may come from farther away
            assert max(abs(row[1]) - 24 * 4.8 / 2.9, abs(row[2]) - 32 * 4.8 / 2.9) > reach


@settings(max_examples=60)
@given(populations, densities, seeds, margins)
def test_more_density_only_appends(population, more, seed, margin):
    population = population.model_copy(update={"n_cells": None})
    denser = population.model_copy(update={"density_per_mm3": population.density_per_mm3 + more})
    few, many = (
        rows(PlaceNeurons(populations=(p,)).sample(SMALL, seed, canvas(SMALL, margin))) for p in (population, denser)
    )
    in_view = sum(row[-1] for row in few.values())
    assert list(many)[:in_view] == list(few)[:in_view]
    assert all(many[name] == few[name] for name in few)


@settings(max_examples=60)
@given(populations, seeds, st.integers(0, 9), st.integers(0, 9))
def test_a_larger_number_only_appends(population, seed, n, more):
    few, many = (
        rows(PlaceNeurons(populations=(population.model_copy(update={"n_cells": k}),)).sample(SMALL, seed))
        for k in (n, n + more)
    )
    assert all(many[name] == few[name] for name in few)


@settings(max_examples=60)
@given(steps, seeds, st.integers(0, 20), st.integers(0, 20))
def test_a_larger_sensor_shows_more_of_the_same(step, seed, rows_px, columns_px):
    """The field of view is but a window onto the tissue."""
    step = PlaceNeurons(populations=tuple(p.model_copy(update={"n_cells": None}) for p in step.populations))
    sensor = ImageSensor(height_px=48 + 2 * rows_px, width_px=64 + 2 * columns_px)
    few, many = (rows(step.sample(a, seed)) for a in (SMALL, SMALL.model_copy(update={"image_sensor": sensor})))
    assert all(many[name][:-1] == row[:-1] for name, row in few.items())
    seen = np.array(
        [abs(row[1]) <= 24 * 4.8 / 2.9 + 100 and abs(row[2]) <= 32 * 4.8 / 2.9 + 100 for row in many.values()]
    )
    assert seen.sum() == len(few) or step.reach_um(SMALL, canvas(SMALL)) > TISSUE_REACH_UM


@settings(max_examples=30)
@given(steps, seeds, margins)
def test_nothing_interpenetrates_whatever_the_spec(step, seed, margin):
    cells = step.sample(SMALL, seed, canvas(SMALL, margin))
    assert len(cells) <= cells.requested
    assert (cells.center_um[:, 0] >= 0).all()
    if len(cells) > 1 and all(p.min_distance_um is None for p in step.populations):
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


def test_too_large_a_number_is_said_as_well():
    crowd = Population(n_cells=400, thickness_um=0, min_distance_um=20)
    cells = PlaceNeurons(populations=(crowd,)).sample(SMALL, 1)
    assert 10 < cells.in_fov.sum() < 50
    assert cells.requested - len(cells) == 400 - cells.in_fov.sum()


def test_a_crowded_layer_is_filled_as_random_sequential_packing_can():
    """Random sequential addition of equal spheres jams at 38 % of the volume; it comes close, never past."""
    thick = Population(
        density_per_mm3=6e5, thickness_um=150, depth_um=100, soma_radius_um=6, soma_radius_cv=0, brightness_cv=0
    )
    cells = PlaceNeurons(populations=(thick,)).sample(Acquisition(image_sensor=ImageSensor(height_px=8, width_px=8)))
    inner = np.all(np.abs(cells.center_um - [100, 0, 0]) < [60, 60, 60], axis=1)
    filled = inner.sum() * 4 / 3 * math.pi * 6**3 / 120**3
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


def test_given_positions_have_the_declared_radii_and_brightness():
    given_um = tuple((100.0, float(y), 0.0) for y in np.linspace(-90, 90, 2000))
    step = PlaceNeurons(positions_um=given_um, populations=(Population(soma_radius_cv=0.2, brightness_cv=0.3),))
    cells = step.sample(V4, 7)
    assert cells.radius_um.std() / cells.radius_um.mean() == pytest.approx(0.2, rel=0.06)
    assert cells.brightness.mean() == pytest.approx(1, abs=0.03)
    fewer = PlaceNeurons(positions_um=given_um[:50], populations=step.populations).sample(V4, 7)
    assert np.array_equal(fewer.radius_um, cells.radius_um[:50])
    assert np.array_equal(fewer.identity, cells.identity[:50])


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
        ({"positions_um": [[5, 900, 0]]}, r"positions_um\[0\] lies off the tissue: .* = \(900.0, 0.0\)"),
        ({"positions_um": [[5, 0, 180]]}, "off the tissue"),
        ({"populations": [{"min_distance_um": 51}]}, "min_distance_um = 51"),
        ({"populations": [{"n_cells": -1}]}, "n_cells = -1"),
        ({"populations": [{"n_cells": 5000}]}, r"ask for \d+ cells .* lower n_cells"),
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
    expected = round(1e6 * (608 * 4.8 / 2.9 / 1000 + 0.2) ** 2 * 0.1)
    with pytest.raises(ValidationError, match=rf"ask for {expected} cells .* at most {MAX_CELLS}"):
        Spec(acquisition=V4, steps=(PlaceNeurons(populations=(population,)),))


def test_a_small_field_with_a_wide_margin_is_bounded_too():
    population = Population(density_per_mm3=3e5, thickness_um=60)
    step = PlaceNeurons(populations=(population,))
    assert step.check(SpecContext(SMALL, canvas(SMALL, 50), frozenset())) == []
    with pytest.raises(ValueError, match="lower n_cells, density_per_mm3"):
        step.check(SpecContext(SMALL, canvas(SMALL, 500), frozenset()))


def test_positions_may_use_the_margin():
    step = PlaceNeurons(positions_um=((10, 0, 180),))
    assert step.check(SpecContext(SMALL, canvas(SMALL, 120), frozenset())) == []
    with pytest.raises(ValueError, match="off the tissue"):
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
        "n_cells": (0, 800),
        "min_distance_um": (0, 50),
        "depth_um": (15, 2000),
        "thickness_um": (0, 200),
        "soma_radius_um": (1, 15),
        "soma_radius_cv": (0, 0.25),
        "brightness": (0, 1000),
        "brightness_cv": (0, 2),
        "snr": (0.1, 1000),
        "morphology": ("bead", "cytosolic"),
        "irregularity": (0, 0.5),
        "n_dendrites": (0, 6),
        "dendrite_length_um": (5, 200),
        "dendrite_width_um": (0.2, 10),
        "nucleus_fraction": (0, 0.9),
    }
    needed = {"morphology": "cytosolic"} if "dendrite" in name else {}
    step = PlaceNeurons(populations=(Population(**needed, **{name: bounds[name][end]}),) * 2)
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

    monkeypatch.setattr(planted_cells, "draw_shapes", fail)
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
