"""Register the plugin's hooks and fixtures. Only pytest and the standard library are imported until a test asks."""

from pytest_calsim.plugin.fixtures import _sim_case as _sim_case
from pytest_calsim.plugin.fixtures import sim_cache as sim_cache
from pytest_calsim.plugin.fixtures import sim_movie_file as sim_movie_file
from pytest_calsim.plugin.fixtures import sim_recording as sim_recording
from pytest_calsim.plugin.fixtures import sim_recording_factory as sim_recording_factory
from pytest_calsim.plugin.fixtures import sim_spec as sim_spec
from pytest_calsim.plugin.hooks import pytest_addoption as pytest_addoption
from pytest_calsim.plugin.hooks import pytest_cmdline_main as pytest_cmdline_main
from pytest_calsim.plugin.hooks import pytest_collection_finish as pytest_collection_finish
from pytest_calsim.plugin.hooks import pytest_configure as pytest_configure
from pytest_calsim.plugin.hooks import pytest_generate_tests as pytest_generate_tests
from pytest_calsim.plugin.hooks import pytest_runtest_setup as pytest_runtest_setup
from pytest_calsim.plugin.hooks import pytest_terminal_summary as pytest_terminal_summary
