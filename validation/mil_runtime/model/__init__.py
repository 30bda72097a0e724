"""What a package says: program, weights, types, features."""
