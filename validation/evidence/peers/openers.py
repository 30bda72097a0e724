"""The functions that open the engine of each peer, as ``validation.engines.openers`` has them."""

from validation.engines.openers import OpenEngine


def eager() -> OpenEngine:
    """Return the engine of the reference's modules in PyTorch."""
    from validation.evidence.peers.engines import EagerEngine

    return EagerEngine


def onnxruntime() -> OpenEngine:
    """Return the engine of two ONNX files in onnxruntime."""
    from validation.evidence.peers.engines import OnnxEngine

    return OnnxEngine


def ultralytics() -> OpenEngine:
    """Return the engine of ultralytics' MobileSAM."""
    from validation.evidence.peers.engines import UltralyticsEngine

    return UltralyticsEngine
