"""The errors for a user's baselines and limits that cannot be used."""

from reference.common.errors import MobileSAMError


class BaselineError(MobileSAMError):
    """A baseline cannot be read, or is about other artifacts."""


class LimitsError(MobileSAMError):
    """A file of limits cannot be read, or sets something that is not a limit."""
