"""From the reference model to artifacts that run on phones."""

from reference.common.quiet import quiet_coremltools

quiet_coremltools()
