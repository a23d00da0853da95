"""MediaWiki itself as an oracle of templates: Debian's package, by PHP, with an SQLite database of its own.

It is installed by apt-get where that is possible (as root, on Debian or Ubuntu); `lacks` says why it is not there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

INSTALLED = Path("/usr/share/mediawiki")
PACKAGES = ("mediawiki", "php-cli", "php-sqlite3", "php-intl")
SCRIPT = Path(__file__).with_suffix(".php")


def lacks() -> str:
    """Return why MediaWiki cannot be asked here, "" if it can; try to install it before."""
    if _is_there():
        return ""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return f"MediaWiki is not there (apt-get install {' '.join(PACKAGES)}): our expansion is NOT compared with it"
    command = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
    got = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    )
    return "" if _is_there() else f"apt-get install mediawiki: {got.stderr.strip()[-300:]}: NOT compared with it"


def _is_there() -> bool:
    return shutil.which("php") is not None and (INSTALLED / "maintenance" / "install.php").exists()


class MediaWiki:
    """One installation in a folder, for wikis of any language."""

    def __init__(self, folder: Path) -> None:
        self._settings = folder / "LocalSettings.php"
        told = ["--dbtype", "sqlite", "--dbpath", f"{folder}/database", "--dbname", "wiki", "--confpath", str(folder)]
        told += ["--pass", "llamas-of-the-valley", "--scriptpath", "/w", "--server", "http://localhost"]
        script = INSTALLED / "maintenance" / "install.php"
        subprocess.run(
            ["php", str(script), *told, "--with-extensions=ParserFunctions", "Llama", "Herder"],
            capture_output=True,
            check=True,
        )
        with self._settings.open("a") as settings:
            settings.write('\n$wgLanguageCode = getenv( "ORACLE_LANGUAGE" );\n')

    def expanded(
        self,
        calls: Sequence[str],
        templates: Mapping[str, str],
        redirects: Mapping[str, str] | None = None,
        *,
        title: str = "Llama",
        language: str = "en",
    ) -> list[str]:
        """Return what calls (wikitext) become on a page, with templates and redirects by their names."""
        asked = {"templates": {"": "", **templates}, "redirects": {"": "", **(redirects or {})}}
        env = {"MW_INSTALL_PATH": str(INSTALLED), "MW_CONFIG_FILE": str(self._settings), "ORACLE_LANGUAGE": language}
        done = subprocess.run(
            ["php", SCRIPT],
            input=json.dumps({**asked, "calls": list(calls), "title": title}),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **env},
        )
        found: list[str] = json.loads(done.stdout[done.stdout.index("[") :])
        return found
