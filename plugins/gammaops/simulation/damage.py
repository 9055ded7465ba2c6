"""What goes wrong between telescope and archive, done to chosen observations on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from astropy.io import fits

__all__ = ["damage_bytes", "damage_hdus"]

Hdus = dict[str, fits.BinTableHDU]


def damage_hdus(kind: str, hdus: Hdus) -> Hdus:
    """The HDUs as they get into the file; kinds that leave them alone return them as they are."""
    change = _HDU_CHANGES.get(kind)
    return change(dict(hdus)) if change else hdus


def damage_bytes(kind: str, content: bytes) -> bytes:
    """The file as it gets into the archive; kinds that leave the bytes alone return them as they are."""
    change = _BYTE_CHANGES.get(kind)
    return change(content) if change else content


def _without_aeff(hdus: Hdus) -> Hdus:
    del hdus["AEFF"]
    return hdus


def _nan_aeff(hdus: Hdus) -> Hdus:
    aeff = hdus["AEFF"].copy()
    values = np.array(aeff.data["EFFAREA"])
    energies = values.shape[-1]
    values[..., energies // 2 : energies // 2 + 3] = np.nan
    aeff.data["EFFAREA"] = values
    return {**hdus, "AEFF": aeff}


def _no_gti(hdus: Hdus) -> Hdus:
    gti = hdus["GTI"]
    return {**hdus, "GTI": fits.BinTableHDU(gti.data[:0], header=gti.header, name="GTI")}


def _other_obs_id(hdus: Hdus) -> Hdus:
    hdus["EVENTS"].header["OBS_ID"] += 900_000
    return hdus


def _flip_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0b100]) + content[middle + 1 :]


_HDU_CHANGES: Mapping[str, Callable[[Hdus], Hdus]] = MappingProxyType(
    {
        "missing-irf": _without_aeff,
        "missing-hdu": _without_aeff,
        "nan-irf": _nan_aeff,
        "empty-gti": _no_gti,
        "wrong-obs-id": _other_obs_id,
    }
)
_BYTE_CHANGES: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {
        "truncated": lambda content: content[: len(content) // 2],
        "truncated-tail": lambda content: content[:-200],
        "empty-file": lambda _: b"",
        "bit-flip": _flip_bit,
    }
)
