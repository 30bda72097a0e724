"""The contents of a package: program, weights, types and features."""
