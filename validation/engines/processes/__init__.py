"""Programs of their own: children that may crash or hang, and harm nobody."""
