"""A blurred cell as a Fourier series of few waves: what its shape is made of, times the blur's transfer, at pixels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_calsim.compiled.jit import compiled, grid

__all__ = ["Workspace", "block_mean", "image_of", "lit_box", "trim", "wave_lanes"]

Floats32 = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


class Workspace(NamedTuple):
    """Memory that :func:`image_of` writes over, flat; see :func:`wave_lanes` for ``K`` and ``M``.

    Attributes
    ----------
    at_parts, at_pixels
        Cosines beside sines of the waves ``(max(h, w), 2 K)``, and above each other ``(2 M, max(height, width))``,
        for a shape of ``h`` × ``w`` parts and an image of ``height`` × ``width`` pixels.
    transfer
        Of each wave along rows and columns ``(2, waves)``.
    rows, waves
        The shape's rows as waves ``(h, 2 K)``, and all of it ``(2 K, 2 K)``.
    folded
        The image's waves ``(2 M, 2 M)``.
    columns
        The image's columns as waves ``(2 M, width)``.
    lanes
        Maxima and sums of the image's columns ``(width,)``.
    """

    at_parts: Floats32
    at_pixels: Floats32
    transfer: Spectrum
    rows: Floats32
    waves: Floats32
    folded: Floats32
    columns: Floats32
    lanes: NDArray[np.float64]

    @classmethod
    def of(cls, parts: int, pixels: int, waves: int) -> Workspace:
        """Enough for shapes and images of so many parts and pixels along a side, and so many waves."""
        lanes, low = wave_lanes(waves, pixels)
        return cls(
            at_parts=np.empty(parts * lanes, np.float32),
            at_pixels=np.empty(low * pixels, np.float32),
            transfer=np.empty(2 * waves, np.complex64),
            rows=np.empty(parts * lanes, np.float32),
            waves=np.empty(lanes**2, np.float32),
            folded=np.empty(low**2, np.float32),
            columns=np.empty(low * pixels, np.float32),
            lanes=np.empty(pixels),
        )


@compiled
def wave_lanes(waves: int, n: int) -> tuple[int, int]:
    """Room for cosines and sines: of some waves, 2 K, in whole vectors; of those told apart at n pixels, 2 M."""
    return 2 * ((waves + 7) // 8 * 8), 2 * min(waves, n // 2 + 1)


@compiled
def image_of(
    fine: Floats32,
    y: float,
    x: float,
    sigma: float,
    radius: float,
    waves: int,
    bessel: Floats32,
    bessel_step: float,
    circle: Spectrum,
    faint: float,
    flux: float,
    work: Workspace,
    image: Floats32,
) -> None:
    """Write the image of a shape behind a Gaussian and a disk, averaged over each pixel's area.

    All steps are real products of small matrices, with cosines and sines of the waves. Waves faster than pixels can
    show are counted as the slow ones that they look like there.

    Parameters
    ----------
    fine
        The shape at the centres of parts of pixels.
    y, x
        Where the first part's centre lies in the image, whole numbers being pixels' centres.
    sigma, radius
        Of the Gaussian and the disk, px.
    waves
        How many waves to sum, the constant one included.
    bessel, bessel_step
        2·J₁(q)/q on a regular grid that begins at 0, and its step.
    circle
        exp(2πi j/N); N parts span the period, which is the image's longer side.
    faint, flux
        The share of the peak below which light is cut, and the image's sum; the shape's own brightness is none.
    work
        See :class:`Workspace`.
    image
        ``(height, width)``.
    """
    height, width = image.shape
    n = max(height, width)
    lanes, low = wave_lanes(waves, n)
    at_parts, at_pixels = grid(work.at_parts, max(fine.shape[0], fine.shape[1]), lanes), grid(work.at_pixels, low, n)
    rows, spectrum = grid(work.rows, fine.shape[0], lanes), grid(work.waves, lanes, lanes)
    transfer, folded, columns = (
        grid(work.transfer, 2, waves),
        grid(work.folded, low, low),
        grid(work.columns, low, width),
    )
    _waves_at_parts(circle, at_parts)
    _waves_at_pixels(circle, n, at_pixels)
    _transfer(sigma, y, n, transfer[0])
    _transfer(sigma, x, n, transfer[1])
    rows[:] = 0
    spectrum[:] = 0
    columns[:] = 0
    image[:] = 0
    _add_product(fine, False, at_parts[: fine.shape[1]], rows)
    _add_product(at_parts, True, rows, spectrum)
    _fold(spectrum, transfer, 2 * math.pi * radius / (n * bessel_step), bessel, n, folded)
    _add_product(folded, False, at_pixels, columns)
    _add_product(at_pixels, True, columns, image)
    trim(image, faint, flux, work.lanes[:width])


@compiled
def _transfer(sigma: float, at: float, n: int, transfer: Spectrum) -> None:
    """What the Gaussian, the pixel's own width and a shift of the image leave of each wave along one axis."""
    transfer[0] = 1
    for k in range(1, transfer.shape[0]):
        f = k / n
        gain = math.exp(-2 * (math.pi * sigma * f) ** 2) * math.sin(math.pi * f) / (math.pi * f)
        phase = 2 * math.pi * f * at
        transfer[k] = complex(gain * math.cos(phase), -gain * math.sin(phase))


@compiled
def _add_product(a: Floats32, transposed: bool, b: Floats32, out: Floats32) -> None:
    """Add a·b, or aᵀ·b, four rows of b at a time; what lies beyond the product's size in either is left out."""
    fours = b.shape[0] - b.shape[0] % 4
    for i in range(out.shape[0]):
        line = out[i]
        for k in range(0, fours, 4):
            g0, g1, g2, g3 = (
                (a[k, i], a[k + 1, i], a[k + 2, i], a[k + 3, i])
                if transposed
                else (a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3])
            )
            if g0 != 0 or g1 != 0 or g2 != 0 or g3 != 0:
                b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
                for j in range(line.shape[0]):
                    line[j] += (g0 * b0[j] + g1 * b1[j]) + (g2 * b2[j] + g3 * b3[j])
        for k in range(fours, b.shape[0]):
            gain, other = a[k, i] if transposed else a[i, k], b[k]
            for j in range(line.shape[0]):
                line[j] += gain * other[j]


@compiled
def _waves_at_parts(circle: Spectrum, waves: Floats32) -> None:
    count = waves.shape[1] // 2
    for i in range(waves.shape[0]):
        at = 0
        for k in range(count):
            waves[i, k], waves[i, count + k] = circle[at].real, circle[at].imag
            at += i
            if at >= circle.shape[0]:
                at -= circle.shape[0]


@compiled
def _waves_at_pixels(circle: Spectrum, n: int, waves: Floats32) -> None:
    count, samples = waves.shape[0] // 2, circle.shape[0] // n
    for m in range(count):
        at = 0
        for r in range(waves.shape[1]):
            waves[m, r], waves[count + m, r] = circle[at].real, circle[at].imag
            at += m * samples
            if at >= circle.shape[0]:
                at -= circle.shape[0]


@compiled
def _fold(
    waves: Floats32,
    transfer: Spectrum,
    scale: float,
    bessel: Floats32,
    n: int,
    folded: Floats32,
) -> None:
    """Multiply the waves by their transfer, and bring them to the period of ``n`` pixels."""
    half, low = waves.shape[0] // 2, folded.shape[0] // 2
    last = bessel.shape[0] - 2
    folded[:] = 0
    place_y = -1
    for ky in range(transfer.shape[1]):
        place_y = place_y + 1 if place_y + 1 < n else 0
        y, sign_y = _slowest(place_y, n)
        along_y = transfer[0, ky]
        place_x = -1
        for kx in range(transfer.shape[1]):
            place_x = place_x + 1 if place_x + 1 < n else 0
            x, sign_x = _slowest(place_x, n)
            at = scale * math.sqrt(ky * ky + kx * kx)
            i = min(int(at), last)
            radial = bessel[i] + np.float32(at - i) * (bessel[i + 1] - bessel[i])
            # A wave of the shape, and the one of the opposite frequency along y.
            cc, cs = waves[ky, kx], waves[ky, half + kx]
            sc, ss = waves[half + ky, kx], waves[half + ky, half + kx]
            along_x = transfer[1, kx] * (radial if kx == 0 else radial + radial)
            plus = along_x * along_y * np.complex64(complex(cc - ss, -cs - sc))
            minus = along_x * along_y.conjugate() * np.complex64(complex(cc + ss, sc - cs))
            if ky == 0:
                minus = np.complex64(0)
            both, apart = plus + minus, plus - minus
            folded[y, x] += both.real
            folded[low + y, x] -= sign_y * apart.imag
            folded[y, low + x] -= sign_x * both.imag
            folded[low + y, low + x] -= sign_y * sign_x * apart.real


@compiled
def _slowest(k: int, n: int) -> tuple[int, np.float32]:
    """The slowest wave that n pixels cannot tell from the k-th, k < n, and the sign of its sine."""
    return (n - k, np.float32(-1)) if 2 * k > n else (k, np.float32(1))


@compiled
def trim(image: Floats32, faint: float, flux: float, lanes: NDArray[np.float64]) -> None:
    """Cut what is fainter than a share of the peak, ringing below zero included; give the rest the whole flux.

    ``lanes`` is scratch as long as a row: maxima and sums are taken by column first.
    """
    height, width = image.shape
    lanes[:] = 0
    for r in range(height):
        for c in range(width):
            lanes[c] = max(lanes[c], np.float64(image[r, c]))
    peak = 0.0
    for c in range(width):
        peak = max(peak, lanes[c])
    least = np.float32(faint * peak)
    lanes[:] = 0
    for r in range(height):
        line = image[r]
        for c in range(width):
            line[c] = line[c] if line[c] >= least else np.float32(0)
            lanes[c] += line[c]
    total = 0.0
    for c in range(width):
        total += lanes[c]
    gain = np.float32(flux / total)
    for r in range(height):
        for c in range(width):
            image[r, c] *= gain


@compiled
def block_mean(fine: Floats32, samples: int, mean: Floats32) -> None:
    """Write means over blocks of ``samples`` by ``samples``."""
    height, width = mean.shape
    share = np.float32(1 / samples**2)
    mean[:] = 0
    for r in range(height):
        line = mean[r]
        for a in range(samples):
            parts = fine[r * samples + a]
            for c in range(width):
                for b in range(samples):
                    line[c] += parts[c * samples + b]
        for c in range(width):
            line[c] *= share


@compiled
def lit_box(image: Floats32) -> tuple[int, int, int, int]:
    """First and one past the last row and column that hold anything but zeros; four zeros for a dark image."""
    height, width = image.shape
    top, bottom, left, right = height, 0, width, 0
    for r in range(height):
        first = 0
        while first < width and image[r, first] == 0:
            first += 1
        if first == width:
            continue
        last = width
        while image[r, last - 1] == 0:
            last -= 1
        top, bottom = min(top, r), r + 1
        left, right = min(left, first), max(right, last)
    if bottom == 0:
        return 0, 0, 0, 0
    return top, bottom, left, right
