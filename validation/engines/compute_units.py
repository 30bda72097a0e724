"""What Core ML may be allowed to compute on; imports nothing heavy."""

# As ``coremltools.ComputeUnit`` names it in capitals → in words.
COMPUTE_UNITS = {
    "all": "all compute units",
    "cpu_and_ne": "CPU and Neural Engine",
    "cpu_and_gpu": "CPU and GPU",
    "cpu_only": "CPU only",
}
