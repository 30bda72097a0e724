"""What ``make demo`` runs: ``python -m validation.commands.demo``."""
