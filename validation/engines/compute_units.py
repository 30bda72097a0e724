"""The choices of compute units that Core ML may use; this module imports nothing heavy."""

# Name, which is lower case here and upper case in ``coremltools.ComputeUnit`` → words.
COMPUTE_UNITS = {
    "all": "all compute units",
    "cpu_and_ne": "CPU and Neural Engine",
    "cpu_and_gpu": "CPU and GPU",
    "cpu_only": "CPU only",
}
