"""Loading and verifying artifact folders, and checking what their manifests tell apps."""
