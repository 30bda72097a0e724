"""Programs that measure inside one version of the project, and print one JSON object.

They are started by their path, with the packages of either version, so they use only names that both versions have.
"""
