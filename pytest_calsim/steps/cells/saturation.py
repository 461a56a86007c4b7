"""Saturate fluorescence: Hill's curve between calcium and fluorescence."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from pytest_calsim.kernels.calcium import HillCurve
from pytest_calsim.microscope.units import Frozen

__all__ = ["HillSaturation"]


class HillSaturation(Frozen):
    """Saturation of the indicator: fluorescence follows calcium by Hill's curve over the resting level.

    ΔF/F = ``dff_per_spike`` · [H(rest + calcium) − H(rest)]/[H(rest + one spike) − H(rest)], with
    H(c) = cⁿ/(cⁿ + K_dⁿ): a lone spike keeps its ΔF/F; few spikes add up more than proportionally, many less.
    Song et al. 2021 (NAOMi) use 290 nM and 2.7 for GCaMP6f, 147 nM and 2.45 for GCaMP6s, both at rest 50 nM.

    Attributes
    ----------
    kd_nm
        Calcium at which half of the indicator is bound.
    hill_coefficient
        n.
    rest_nm
        Calcium at rest.
    spike_nm
        Peak rise of calcium with one spike (76 nM in NAOMi; low confidence).
    """

    kd_nm: Annotated[float, Field(ge=10, le=1e4)] = 290.0
    hill_coefficient: Annotated[float, Field(ge=0.5, le=8)] = 2.7
    rest_nm: Annotated[float, Field(ge=1, le=1e3)] = 50.0
    spike_nm: Annotated[float, Field(ge=1, le=1e4)] = 76.0

    @model_validator(mode="after")
    def _a_spike_shows(self) -> Self:
        rise = self.bound(self.rest_nm + self.spike_nm) - self.bound(self.rest_nm)
        if rise < 1e-9:
            raise ValueError(
                f"a spike of spike_nm = {self.spike_nm:g} over rest_nm = {self.rest_nm:g} binds a share of only "
                f"{rise:.2g} of an indicator with kd_nm = {self.kd_nm:g}; bring kd_nm nearer to them"
            )
        return self

    def bound(self, calcium_nm: float) -> float:
        """Return the share of the indicator that is bound, H(c) = 1/(1 + (K_d/c)ⁿ).

        Parameters
        ----------
        calcium_nm
            Free calcium, positive.
        """
        return 1 / (1 + (self.kd_nm / calcium_nm) ** self.hill_coefficient)

    @property
    def half_rise(self) -> float:
        """Calcium of half a lone spike's fluorescence, over the spike's peak of calcium; 0.5 without saturation."""
        half = (self.bound(self.rest_nm) + self.bound(self.rest_nm + self.spike_nm)) / 2
        calcium_nm = self.kd_nm * (half / (1 - half)) ** (1 / self.hill_coefficient)
        return (calcium_nm - self.rest_nm) / self.spike_nm

    @property
    def curve(self) -> HillCurve:
        """The curve in units of a lone spike's peak, for kernels."""
        low = self.bound(self.rest_nm)
        one = self.bound(self.rest_nm + self.spike_nm)
        return HillCurve(
            kd=self.kd_nm / self.spike_nm,
            exponent=self.hill_coefficient,
            rest=self.rest_nm / self.spike_nm,
            bound=low,
            scale=1 / (one - low),
        )
