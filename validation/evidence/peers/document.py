"""Builds the JSON document: that of ``validate latency``, with more about each contestant."""

from collections.abc import Sequence
from dataclasses import asdict

from validation.evidence.peers.measure import Standing
from validation.latency.document import build_document as build_latency
from validation.latency.results import TargetResult
from validation.latency.running.plan import Plan


def build_document(
    standings: Sequence[Standing], result: TargetResult | None, plan: Plan, image: str | None
) -> dict:
    """Build the document, which ``validate compare --latency`` can show as well.

    "peers" has the name, kind and file sizes of each contestant, in order. It also has the lowest IoU with
    the reference masks, once for all masks from the same frame, and once for the masks that users are shown
    from the photo's file.
    """
    document = build_latency([] if result is None else [result], plan, image)
    document["peers"] = [
        {
            "name": standing.contestant.name,
            "kind": standing.contestant.kind,
            "bytes": standing.contestant.size_bytes,
            "problem": standing.problem,
            "lowest_iou": None if standing.agreement is None else asdict(standing.agreement),
        }
        for standing in standings
    ]
    return document
