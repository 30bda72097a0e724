"""The errors that users of this project may want to catch: one root, and one subclass per kind of cause.

Every message is one line that names the offending value, what was expected, and the fix. The commands print it
unchanged and exit with status 2. Other modules define further subclasses of ``MobileSAMError``.
"""


class MobileSAMError(Exception):
    """The root of all errors that this project raises on purpose. Any other error that escapes is a bug."""


class ImageError(MobileSAMError):
    """A photo that cannot be read, or is not a photo."""


class PromptError(MobileSAMError):
    """Points, labels, boxes or masks that are not a valid prompt."""


class AnswerError(MobileSAMError):
    """A model's answer that contains NaN or infinity, from which no mask can be made."""


class CheckpointError(MobileSAMError):
    """Weights that cannot be fetched, read or loaded."""


class ConversionError(MobileSAMError):
    """A conversion that is impossible with the given options."""


class ArtifactError(MobileSAMError):
    """An artifact folder that is incomplete, altered, or cannot be run here."""


class OutputError(MobileSAMError):
    """An output that exists already, or cannot be written."""


class GateError(MobileSAMError):
    """A gates file that cannot be read, or that sets a limit which does not exist."""


class TrainingError(MobileSAMError):
    """A training that cannot be started, continued or finished."""
