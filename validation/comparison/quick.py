"""What a quick comparison cannot do. This module imports nothing heavy, so that commands refuse early."""

from reference.common.errors import PromptError


def require_goldens_only(**needing_reference: object) -> None:
    """Refuse a quick comparison that is also asked for something that needs the reference.

    Args:
        needing_reference: option → its value, which is empty, None or False if it was not given.

    Raises:
        PromptError: an option was given.
    """
    given = [f"--{option}" for option, value in needing_reference.items() if value]
    if given:
        raise PromptError(
            f"--quick with {', '.join(given)}: expected --quick alone, which asks about the goldens only and does not "
            "run the reference; leave one of them out"
        )
