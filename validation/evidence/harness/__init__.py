"""Measures the figures of docs/evidence/harness.md: ``python -m validation.evidence.harness``.

An old commit and the working tree run the same commands in turns. ``versions`` unpacks the old commit and runs both,
``parts`` lists what is measured, and ``standalone`` has the programs that measure inside a version. The command needs a
checkout of the project with its history.
"""
