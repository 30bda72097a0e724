"""``validation.compare``, which compares any torch module with its conversion."""
