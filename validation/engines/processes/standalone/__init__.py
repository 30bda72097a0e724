"""What runs in a Python that has torch and numpy, but not this package.

``lite_worker`` is a script, and finds what else it needs beside itself: modules here import nothing of
the rest of the package.
"""
