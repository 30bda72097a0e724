"""The environment ``arm64``: an Arm processor that qemu emulates, with Debian's libraries and torch's wheel for Arm."""

import os
import shutil
import sys
from pathlib import Path

from reference.common.progress import OnStep
from validation.engines.environments.environment import (
    RECIPES,
    Environment,
    SetupError,
    run_tool,
)

# A core that phones have had since 2018 (Armv8.2 with dot products and half floats). qemu's default also
# has scalable vectors (SVE). Few phones have these, and torch has other code for them.
PROCESSOR = "cortex-a76"

_COUNTS_VARIABLE = "INSTRUCTION_COUNTS"  # read by instruction_counter.c
_PACKAGES = RECIPES / "arm64-packages.txt"
_WHEELS = RECIPES / "arm64-wheels.txt"
_COUNTER = RECIPES / "instruction_counter.c"
_TOOLS = ("apt-get", "dpkg-deb")
_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
# Versions of qemu's plug-in interface. The functions that the counter uses are the same in all of them.
_PLUGIN_VERSIONS = (1, 2)
_APT = """\
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; "arm64"; }};
Dir::State "{folder}/state";
Dir::State::Lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
"""
_NEEDS_PACKAGES = "check that apt's sources have this system's packages for amd64 and arm64"


class Arm64(Environment):
    """An emulated Arm processor. Its numbers are those of Arm code; its time predicts nothing."""

    name = "arm64"
    label = f"on an Arm processor ({PROCESSOR}) that qemu emulates"
    torch_version = "2.7.1"
    counts = True
    recipe = (_PACKAGES, _WHEELS, _COUNTER)

    def obstacle(self) -> str | None:
        if self._machine.processor in ("aarch64", "arm64"):
            return (
                "this machine has an Arm processor itself: measure on the target cpu, with the engine "
                "lite_interpreter"
            )
        if self._machine != ("Linux", "x86_64"):
            return "its packages are for Linux on x86-64: use Debian on such a machine"
        absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if absent and not self.folder.is_dir():
            return f"it is built from Debian's packages, and {absent[0]} is missing: use Debian"
        return None

    def build(self, folder: Path, on_step: OnStep) -> None:
        on_step("Debian's packages of qemu and of Python for Arm (60 MB to download)")
        _unpack_packages(folder)
        on_step(f"torch {self.torch_version} for Arm (120 MB to download)")
        _install_wheels(folder)
        on_step("the instruction counter")
        _build_counter(folder)

    def command(self, folder: Path, counts: Path | None = None) -> list[str]:
        plugin = [] if counts is None else ["-plugin", str(_counter(folder))]
        return [
            *_host_program(folder, "qemu-aarch64"),
            *("-cpu", PROCESSOR, "-L", str(folder / "guest"), *plugin),
            *(str(_guest_python(folder)), "-s"),
        ]

    def variables(self, folder: Path, threads: int, counts: Path | None = None) -> dict[str, str]:
        """Return all environment variables. Those of the user are left out, because they would change the count."""
        variables = {
            "PYTHONPATH": str(folder / "site"),
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": str(threads),
            "OPENBLAS_NUM_THREADS": str(threads),
        }
        return variables if counts is None else {**variables, _COUNTS_VARIABLE: str(counts)}


def _unpack_packages(folder: Path) -> None:
    """Unpack packages for this machine below ``host`` and for Arm below ``guest``; apt checks their signatures."""
    apt = folder / "apt"
    for name in ("state", "lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    # With an empty status nothing counts as installed, so all dependencies are downloaded too.
    (apt / "status").touch()
    configuration = apt / "apt.conf"
    configuration.write_text(_APT.format(folder=apt))
    lines = _PACKAGES.read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    variables = {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C"}
    run_tool(["apt-get", "-qq", "update"], _NEEDS_PACKAGES, variables)
    run_tool(
        ["apt-get", "-qq", "--yes", "--download-only", "--no-install-recommends", "install"]
        + packages,
        _NEEDS_PACKAGES,
        variables,
    )
    for architecture, root in (("amd64", folder / "host"), ("arm64", folder / "guest")):
        root.mkdir()
        for package in sorted((apt / "cache" / "archives").glob(f"*_{architecture}.deb")):
            run_tool(["dpkg-deb", "--extract", package, root], "free some space, and try again")
        _merge_usr(root)
    shutil.rmtree(apt)


def _merge_usr(root: Path) -> None:
    """Add the links ``lib`` and ``lib64``, which another package has in releases that keep everything below ``usr``."""
    for name in ("lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")


def _install_wheels(folder: Path) -> None:
    version = _guest_python(folder).name.removeprefix("python")
    platforms = [f"--platform={name}" for name in _PLATFORMS]
    run_tool(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--require-hashes", "--quiet"]
        + ["--only-binary=:all:", "--no-cache-dir", f"--python-version={version}", *platforms]
        + [f"--target={folder / 'site'}", "-r", str(_WHEELS)],
        "check that this Python has pip, and that pip reaches a package index",
    )


def _build_counter(folder: Path) -> None:
    """Compile the instruction counter for the version of the plug-in interface that this qemu has."""
    resources = next((folder / "host" / "usr" / "lib").glob("*/tcc"))
    counts = folder / "counts"
    counts.write_bytes(bytes(4096))
    for version in _PLUGIN_VERSIONS:
        run_tool(
            [*_host_program(folder, "tcc"), f"-B{resources}", "-shared", "-nostdlib"]
            + [f"-DPLUGIN_VERSION={version}", "-o", _counter(folder), _COUNTER],
            "report this as a bug",
        )
        try:
            command = [*ARM64.command(folder, counts), "-c", ""]
            run_tool(command, "report this as a bug", ARM64.variables(folder, 1, counts))
        except SetupError:
            if version == _PLUGIN_VERSIONS[-1]:
                raise
        else:
            break
    counts.unlink()


def _host_program(folder: Path, name: str) -> list[str]:
    """The command of a program for this machine, with its own libraries, because the system's may be other versions."""
    host = folder / "host"
    libraries = [*host.glob("lib/*-linux-gnu"), *host.glob("usr/lib/*-linux-gnu")]
    return [
        str(host / "lib64" / "ld-linux-x86-64.so.2"),
        "--library-path",
        ":".join(map(str, libraries)),
        str(host / "usr" / "bin" / name),
    ]


def _guest_python(folder: Path) -> Path:
    """The interpreter, such as ``python3.11``."""
    (path,) = (folder / "guest" / "usr" / "bin").glob("python3.*[0-9]")
    return path


def _counter(folder: Path) -> Path:
    return folder / "instruction_counter.so"


ARM64 = Arm64()
