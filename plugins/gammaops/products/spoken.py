"""What goes wrong in an object store in our words: which store, what it is, and what to do.

Each protocol's library raises errors of its own, which are no `OSError`; none of them is imported here.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Spoken", "in_our_words"]

LIBRARIES = ("botocore", "aiobotocore", "google", "azure", "aiohttp")
REMEDIES = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; AWS_ENDPOINT_URL for a server of your own",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or log in with gcloud",
    "abfs": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_CONNECTION_STRING",
}
REACHED = {"s3": "AWS_ENDPOINT_URL for a server of your own; else the network"}
CREDENTIALS = ("Credential", "Profile", "Token", "Refresh", "ClientAuthentication")


class Spoken:
    """A file system whose errors are ours.

    Parameters
    ----------
    system : fsspec.AbstractFileSystem
    uri : str
        Of the store.
    """

    def __init__(self, system: Any, uri: str) -> None:
        self._system = system
        self._uri = uri

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._system, name)

        def done(*arguments: Any, **named: Any) -> Any:
            try:
                return operation(*arguments, **named)
            except Exception as error:  # the libraries' own classes: none is imported, and what is not theirs goes on
                told = in_our_words(error, self._uri)
                if told is error:
                    raise
                raise told from error

        return done


def in_our_words(error: Exception, uri: str) -> Exception:
    """The same error, or what it means: nobody to act as, refused, or out of reach.

    All are infrastructure, and none a `ProductError`: whoever looks for a product must not take it for damaged.
    """
    remedy = REMEDIES.get(uri.partition("://")[0], "")
    if isinstance(error, PermissionError):
        return PermissionError(f"the store {uri} refuses: {error}; ask for the right to it, or {remedy}")
    if isinstance(error, FileNotFoundError) and "bucket does not exist" in str(error):
        return FileNotFoundError(f"the store {uri} is not there: {error}; create it, or name another")
    if type(error).__module__.partition(".")[0] not in LIBRARIES or isinstance(error, OSError):
        return error
    if any(word in type(error).__name__ for word in CREDENTIALS):
        return PermissionError(f"there are no credentials for the store {uri} ({error}); {remedy}")
    look = REACHED.get(uri.partition("://")[0], "the network")
    return ConnectionError(f"the store {uri} cannot be reached or does not answer: {error}; check {look}")
