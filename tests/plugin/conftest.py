import os

import pytest

# Imported here, so that in-process runs share them rather than import them anew each time.
import pytest_calsim.plugin.factory
import pytest_calsim.recording.simulate
from pytest_calsim.steps import registry
from pytest_calsim.steps.step import Step

# What an in-process run imports first it also drops at its end, and a step's class must not come twice.
registry.step_classes()

PRESETS = {
    "glow": """
summary = "leakage on 12 x 16 pixels"
[acquisition]
fps = 10
duration_s = 1
[acquisition.image_sensor]
height_px = 12
width_px = 16
[steps.leakage]
level = 0.5
""",
    "rim": """
summary = "the same, darker at the rim"
extends = ["glow"]
[steps.vignette]
""",
}


@pytest.fixture
def project(pytester, monkeypatch):
    """A user's project with presets of its own, ``glow`` and ``rim``, and a cache of its own, ``cache``."""
    for name in list(os.environ):
        if name.startswith("PYTEST_SIM_") or name == "GITHUB_STEP_SUMMARY":
            monkeypatch.delenv(name)
    folder = pytester.mkdir("my_presets")
    for name, text in PRESETS.items():
        (folder / f"{name}.toml").write_text(text, "utf-8")
    # zarr's own plugin imports zarr and NumPy in every run: in a suite of some hundred runs that is a minute.
    pytester.makeini(
        """
        [pytest]
        addopts = --strict-markers -p no:cacheprovider -p no:randomly -p no:zarr
        filterwarnings = error
        sim_preset = glow
        sim_preset_dir = my_presets
        sim_cache = cache
        """
    )
    return pytester


@pytest.fixture
def own_steps(monkeypatch):
    """Forgets the steps that an in-process run defines."""
    registry.step_classes()
    monkeypatch.setattr(Step, "known", dict(Step.known))


@pytest.fixture
def counted(project, monkeypatch):
    """The same, in which every simulation writes a line to the file ``calls``; gives how many there were."""
    # What an in-process run patches is undone at the end.
    monkeypatch.setattr(pytest_calsim.recording.simulate, "simulate", pytest_calsim.recording.simulate.simulate)
    project.makeconftest(
        """
        import os
        import pathlib

        import pytest_calsim.recording.simulate as simulation

        real = getattr(simulation.simulate, "real", simulation.simulate)
        calls = pathlib.Path(__file__).with_name("calls")

        def simulate(*args, **kwargs):
            with calls.open("a") as file:
                file.write(f"{os.getpid()}\\n")
            return real(*args, **kwargs)

        simulate.real = real
        simulation.simulate = simulate
        """
    )

    def count():
        path = project.path / "calls"
        return len(path.read_text().splitlines()) if path.exists() else 0

    return count
