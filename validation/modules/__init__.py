"""``validation.compare``: any torch module and its conversion."""
