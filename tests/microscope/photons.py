"""A photon Monte Carlo of a fluorescent point in scattering tissue: the judge of what the package makes of scatter."""

import numpy as np

ANISOTROPY = 0.88
ABSORPTION_PER_UM = 0.3e-3
NA = 0.3
INDEX = 1.36
_STEEP = np.sqrt(0.5)


def collected_light(depth_um, scattering_um=60.0, n=20_000, seed=0, least_weight=1e-3):
    """Follow photons from a point at some depth, and see where the objective sees them in the plane of the point.

    Photons start in all directions, scatter by Henyey and Greenstein's phase function (g = 0.88), lose weight by
    absorption (0.3 per mm), and are gone once they cross the surface. From every scattering event, and from the source,
    one ray is sent into the aperture's cone (NA 0.3; n = 1.36 everywhere), with the probability that the photon had
    taken it and reached the surface unscattered. Extended backwards it meets the point's plane at a distance r.

    Parameters
    ----------
    depth_um
        Of the point.
    scattering_um
        Mean free path between scattering events.
    n
        Photons.
    seed
        Of the random numbers.
    least_weight
        Below this weight photons play Russian roulette.

    Returns
    -------
    r_um, weight
        Distance and weight of each ray; weights sum to the collected light over that of clear tissue.
    """
    rng = np.random.default_rng(seed)
    g = ANISOTROPY
    cos_cone = np.sqrt(1 - (NA / INDEX) ** 2)
    at = np.zeros((n, 3))  # x, y, depth
    at[:, 2] = depth_um
    # Half of the photons start within 45 degrees of the way up: they bring most of the light.
    way = np.concatenate([_direction(rng, n // 2, -1, 1), _direction(rng, n - n // 2, _STEEP, 1)])
    weight = 1 / (n // 2 + (n - n // 2) * (-way[:, 2] > _STEEP) * 2 / (1 - _STEEP))
    clear = np.exp(-depth_um * (1 / scattering_um + ABSORPTION_PER_UM) / rng.uniform(cos_cone, 1, n))
    radii = [np.zeros(n)]
    weights = [clear / n]
    while len(weight):
        step = rng.exponential(scattering_um, len(weight))
        at = at + step[:, None] * way
        weight = weight * np.exp(-step * ABSORPTION_PER_UM)
        roulette = weight < least_weight / n
        alive = (at[:, 2] > 0) & (~roulette | (rng.random(len(weight)) < 0.1))
        weight = np.where(roulette, weight * 10, weight)[alive]
        at = at[alive]
        way = way[alive]
        ray = _direction(rng, len(weight), cos_cone, 1)
        turn = (ray * way).sum(1)
        # Relative to an isotropic source, whose share in the cone is what clear tissue would let through.
        chance = (1 - g * g) / (1 + g * g - 2 * g * turn) ** 1.5
        through = np.exp(at[:, 2] / ray[:, 2] * (1 / scattering_um + ABSORPTION_PER_UM))  # ray[:, 2] < 0: upward
        seen = at[:, :2] + ray[:, :2] * ((depth_um - at[:, 2]) / ray[:, 2])[:, None]
        radii.append(np.hypot(*seen.T))
        weights.append(weight * chance * through)
        way = _scattered(rng, way)
    return np.concatenate(radii), np.concatenate(weights)


def light_within(r_um, rays):
    """Light within some distances, over all that clear tissue would let be collected."""
    radius, weight = rays
    order = np.argsort(radius)
    total = np.concatenate([[0.0], np.cumsum(weight[order])])
    return total[np.searchsorted(radius[order], r_um, side="right")]


def _direction(rng, n, low, high):
    """Directions whose upward cosine is uniform between two values; depth points down."""
    up = rng.uniform(low, high, n)
    turn = rng.uniform(0, 2 * np.pi, n)
    flat = np.sqrt(np.maximum(1 - up * up, 0))
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), -up], axis=1)


def _scattered(rng, way):
    """New directions by Henyey and Greenstein (1941)."""
    n = len(way)
    g = ANISOTROPY
    mean = (1 - g * g) / (1 - g + 2 * g * rng.random(n))
    cosine = np.clip((1 + g * g - mean * mean) / (2 * g), -1, 1)
    sine = np.sqrt(1 - cosine * cosine)
    turn = rng.uniform(0, 2 * np.pi, n)
    # Any vector that is not along the way gives an orthogonal pair.
    aside = np.where(np.abs(way[:, 2:]) < 0.9, [[0.0, 0, 1]], [[1.0, 0, 0]])
    one = np.cross(way, aside)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    other = np.cross(way, one)
    return cosine[:, None] * way + sine[:, None] * (np.cos(turn)[:, None] * one + np.sin(turn)[:, None] * other)
