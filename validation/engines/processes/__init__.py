"""Child processes, which may crash or hang without harm to this process."""
