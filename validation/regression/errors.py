"""What a user's own files can do wrong here."""

from reference.common.errors import MobileSAMError


class BaselineError(MobileSAMError):
    """A baseline that cannot be read, or is of other artifacts."""


class LimitsError(MobileSAMError):
    """A file of limits that cannot be read, or that sets something which is no limit."""
