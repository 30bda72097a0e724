"""The target ios: the sample app's regression test on an iPhone, from a Mac."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from validation.artifact import Artifact
from validation.engines.base import Unavailable
from validation.latency.phones.external_tool import quote
from validation.latency.phones.xcode import IDENTIFIER, find_phone
from validation.latency.targets import TargetError, require_format, require_no_image

if TYPE_CHECKING:
    from validation.latency.plan import Plan
    from validation.latency.results import TargetResult


@dataclass(frozen=True)
class IPhoneTarget:
    """A ``Target``: an iPhone or iPad that this Mac reaches.

    Attributes:
        name: see ``Target``.
        measures: see ``Target``.
        identifier: the phone's UDID; None: the only one.
    """

    name: str = "ios"
    measures: str = "milliseconds of an iPhone, through Xcode; ios:UDID names one of several"
    identifier: str | None = None

    def of(self, identifier: str) -> "IPhoneTarget":
        """The same, of one phone; TargetError if that cannot be an identifier."""
        if not IDENTIFIER.fullmatch(identifier):
            raise TargetError(
                f"'{quote(identifier)}' is no UDID of a phone: expected one that 'xcrun devicectl list "
                "devices' lists"
            )
        return replace(self, name=f"{self.name}:{identifier}", identifier=identifier)

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """See ``Target``: the app runs Core ML packages, on their goldens."""
        require_format(self.name, artifacts, "coreml")
        require_no_image(self.name, image)

    def missing(self) -> str | None:
        """See ``Target``."""
        found = find_phone(self.identifier)
        return found.reason if isinstance(found, Unavailable) else None

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        """See ``Target``."""
        # Here: these import torch, which a list of targets shall not wait for.
        from validation.latency.phones.ios_phone import IPhone
        from validation.latency.phones.phone import measure_on_phone

        found = find_phone(self.identifier)
        phone = found if isinstance(found, Unavailable) else IPhone(found)
        return measure_on_phone(self.name, self.measures, phone, artifacts, plan)
