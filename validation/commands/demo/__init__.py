"""The command behind ``make demo``: ``python -m validation.commands.demo``."""
