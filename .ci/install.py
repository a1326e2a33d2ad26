"""Install packages as pip does, by uv where it can be had, which takes a third of the time.

    python .ci/install.py --editable '.[dev]' jax

uv reads no configuration of pip. It is told here what pip would go by: indexes, folders of wheels, constraints, certificates.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from ast import literal_eval
from pathlib import Path

# Name in uv of each setting of pip that decides which packages come, and what stands between two values.
SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "no-index": ("UV_NO_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "constraint": ("UV_CONSTRAINT", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
}


def settings_of_uv(configured: str) -> dict[str, str]:
    """Turn the output of ``pip config list`` into environment variables of uv."""
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # the newest version of all indexes, as pip takes it
    for section in ("global", "install", ":env:"):  # the last one counts
        for line in configured.splitlines():
            key, _, value = line.partition("=")
            place, _, name = key.rpartition(".")
            if place == section and name in SETTINGS:
                variable, between = SETTINGS[name]
                found[variable] = between.join(literal_eval(value).split())
    return found


def main(arguments: list[str]) -> int:
    """Install; return the exit code of what installed."""
    pip = [sys.executable, "-m", "pip"]
    with tempfile.TemporaryDirectory() as folder:
        uv = shutil.which("uv")
        if (
            uv is None
            and not subprocess.run([*pip, "install", "--quiet", "--target", folder, "uv"], check=False).returncode
        ):
            uv = shutil.which("uv", path=Path(folder) / "bin")
        if uv is not None:
            listed = subprocess.run([*pip, "config", "list"], check=True, capture_output=True, text=True).stdout
            command = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", sys.executable, *arguments]
            if not subprocess.run(command, check=False, env=os.environ | settings_of_uv(listed)).returncode:
                return 0
    sys.stderr.write("uv can't be had, or can't install: pip installs\n")
    return subprocess.run([*pip, "install", "--quiet", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
