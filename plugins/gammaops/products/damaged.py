"""What becomes of a product that is not what its sidecar says."""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gammaops.products.payloads import Payload, parsed_sidecar

if TYPE_CHECKING:
    from gammaops.products.files import Files

__all__ = ["set_aside"]

log = logging.getLogger(__name__)


def set_aside(files: Files, name: str, judged: bytes, problem: str) -> None:
    """Move a sidecar to ``damaged/``, unless it is no longer the one that was judged; its payload is copied there.

    The payload keeps its place, because another try may have put a good one there meanwhile: whoever makes the product
    again replaces it, and what nobody makes again is garbage.

    Parameters
    ----------
    files : Files
    name : str
        Of the sidecar, or of a payload that no sidecar names.
    judged : bytes
        What it held when it was found to be damaged.
    problem : str
        What is wrong with it, for the log.
    """
    attic, path = f"damaged/{uuid.uuid4().hex}", PurePosixPath(name)
    aside = f"{attic}/{path.name}"
    try:
        if files.read(name) != judged:
            return
        files.move(name, aside)
        taken = files.read(aside)
    except FileNotFoundError:
        return
    if taken != judged:
        with suppress(FileExistsError):
            files.create(name, taken)
        return
    log.warning("%s is set aside in %s, to be made again: %s", files.uri_of(name), attic, problem)
    with suppress(ValueError, FileNotFoundError):
        payload = Payload.of(files, name, parsed_sidecar(judged))
        if payload:
            files.copy(payload.name, f"{attic}/{PurePosixPath(payload.name).name}")
