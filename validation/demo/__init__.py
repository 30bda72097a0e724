"""What ``make demo`` runs: ``python -m validation.demo``."""
