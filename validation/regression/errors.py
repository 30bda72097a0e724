"""Errors in the files that a user passes."""

from reference.common.errors import MobileSAMError


class BaselineError(MobileSAMError):
    """A baseline cannot be read, or has other artifacts."""


class LimitsError(MobileSAMError):
    """A file of limits cannot be read, or sets something that is not a limit."""
