"""Every error that this project raises on purpose: one root, one subclass per kind of cause.

A message names the offending value, what was expected, and the fix, in one line: the commands print it as
it is and exit with status 2.
"""


class MobileSAMError(Exception):
    """Root of all errors raised on purpose; anything else that escapes is a bug."""


class ImageError(MobileSAMError):
    """A photo that cannot be read, or is not a photo."""


class PromptError(MobileSAMError):
    """Points, labels, boxes or masks that do not make a prompt."""


class AnswerError(MobileSAMError):
    """A model that answers with NaN or infinity: no mask can be made of that."""


class CheckpointError(MobileSAMError):
    """Weights that cannot be fetched, read or loaded."""


class ConversionError(MobileSAMError):
    """A conversion that cannot be made as asked."""


class ArtifactError(MobileSAMError):
    """An artifact folder that is incomplete, altered, or cannot be run here."""


class OutputError(MobileSAMError):
    """An output that exists already, or cannot be written."""


class GateError(MobileSAMError):
    """A gates file that cannot be read, or that sets something which is no limit."""


class TrainingError(MobileSAMError):
    """A training that cannot be begun, continued or finished."""
