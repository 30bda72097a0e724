"""What opens the engine of each peer; see ``validation.engines.openers``."""

from validation.engines.openers import OpenEngine


def eager() -> OpenEngine:
    """The reference's modules, as PyTorch runs them by itself."""
    from validation.evidence.peers.engines import EagerEngine

    return EagerEngine


def onnxruntime() -> OpenEngine:
    """Two ONNX files in onnxruntime."""
    from validation.evidence.peers.engines import OnnxEngine

    return OnnxEngine


def ultralytics() -> OpenEngine:
    """ultralytics' MobileSAM, with the weights of a checkpoint."""
    from validation.evidence.peers.engines import UltralyticsEngine

    return UltralyticsEngine
