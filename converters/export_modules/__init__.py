"""The modules that are traced: the reference model in a form that phones run well.

Each class is built from a layer of the reference and copies its weights, so one comparison proves that both compute the
same. Its docstring says what the class changes and why. The batch size is 1 everywhere.
"""
