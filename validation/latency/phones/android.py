"""The target android: the sample app's regression test on a phone, or PyTorch's own benchmark."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from validation.artifact import Artifact
from validation.engines.base import Unavailable
from validation.latency.phones.adb import SERIAL, FoundPhone, find_phone
from validation.latency.phones.external_tool import quote
from validation.latency.targets import TargetError, require_format, require_no_image

if TYPE_CHECKING:
    from validation.latency.plan import Plan
    from validation.latency.results import TargetResult


@dataclass(frozen=True)
class AndroidTarget:
    """A ``Target``: a phone that adb reaches.

    Attributes:
        name: see ``Target``.
        measures: see ``Target``.
        serial: of the phone; None: what ANDROID_SERIAL names, or the only one.
    """

    name: str = "android"
    measures: str = (
        "milliseconds of an Android phone, over adb; android:SERIAL names one of several"
    )
    serial: str | None = None

    def of(self, serial: str) -> "AndroidTarget":
        """The same, of one phone; TargetError if that cannot be a serial number."""
        if not SERIAL.fullmatch(serial):
            raise TargetError(
                f"'{quote(serial)}' is no serial number of a phone: expected one that 'adb devices' lists"
            )
        return replace(self, name=f"{self.name}:{serial}", serial=serial)

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """See ``Target``: the app runs ``.ptl`` files, on their goldens."""
        require_format(self.name, artifacts, "torchscript")
        require_no_image(self.name, image)

    def missing(self) -> str | None:
        """See ``Target``."""
        found = self._find()
        return found.reason if isinstance(found, Unavailable) else None

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        """See ``Target``."""
        # Here: these import torch, which a list of targets shall not wait for.
        from validation.latency.phones.android_phone import AndroidPhone
        from validation.latency.phones.phone import measure_on_phone

        found = self._find()
        phone = found if isinstance(found, Unavailable) else AndroidPhone(found)
        return measure_on_phone(self.name, self.measures, phone, artifacts, plan)

    def _find(self) -> FoundPhone | Unavailable:
        return find_phone(self.serial or os.environ.get("ANDROID_SERIAL") or None)
