"""Links from pages to files that are not pages, such as a sample app's source.

With a ``Repository`` in pyproject's ``[project.urls]`` they lead to the file there. Without one a file comes
with the site, and the name of a folder is plain text. A link to nothing is left to MyST, which reports it.
"""

import tomllib
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform


def repository_url(checkout: Path) -> str | None:
    """The address of the repository on a code host; None: it has no public one."""
    settings = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["project"].get("urls", {}).get("Repository")


class OutsideLinks(SphinxTransform):
    """Gives links to files and folders of the checkout an address that works in the site."""

    default_priority = 5  # before MyST looks for the target

    def apply(self, **kwargs) -> None:
        for link in list(self.document.findall(self._leads_outside)):
            path = self._path(link)
            if self.config.repository_url:
                address = f"{self.config.repository_url.rstrip('/')}/blob/HEAD/{self._below_checkout(path)}"
                link.replace_self(nodes.reference("", "", *link.children, refuri=address))
            elif path.is_dir():
                link.replace_self(nodes.inline("", "", *link.children))
            else:
                attributes = {
                    "refdoc": self.env.docname,
                    "reftarget": f"/{self._below_checkout(path)}",
                }
                link.replace_self(addnodes.download_reference("", "", *link.children, **attributes))

    def _leads_outside(self, node: nodes.Node) -> bool:
        if not isinstance(node, addnodes.pending_xref | addnodes.download_reference):
            return False
        target = node["reftarget"]
        if node.get("reftype") != "myst" or target.startswith("#") or target in self.env.found_docs:
            return False
        path = self._path(node)
        return path.exists() and path.is_relative_to(self.env.srcdir)

    def _path(self, link: nodes.Element) -> Path:
        """Return where a link leads. MyST has already made a path from the source folder of one to a Markdown file."""
        target = link["reftarget"].partition("#")[0]
        if link.get("refdomain") == "doc":
            return Path(self.env.srcdir, f"{target}.md")
        return (Path(self.env.doc2path(self.env.docname)).parent / target).resolve()

    def _below_checkout(self, path: Path) -> str:
        return path.relative_to(self.env.srcdir).as_posix()


def setup(app) -> dict:
    app.add_config_value("repository_url", repository_url(Path(app.srcdir)), "env")
    app.add_transform(OutsideLinks)
    return {"parallel_read_safe": True}
