"""Presets from the Hub in processes of their own: environments, many at once, killed ones, disks that are full or read-only."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import braintumorseg
from braintumorseg import load_pretrained
from braintumorseg.presets.preset import WEIGHTS_FILE
from braintumorseg.zoo.hub import RECORD_FILE
from zoo.tiny import NAME, hashes

pytestmark = pytest.mark.slow

SOURCE = Path(braintumorseg.__file__).parents[1]

LOAD = """
import sys
from braintumorseg import DataError, load_pretrained
try:
    print("loaded", load_pretrained(sys.argv[1], cache_dir=sys.argv[2]).threshold)
except DataError as error:
    print("refused", error)
"""


def start(cache, name=NAME, before="", by=(), **environment):
    """Start a process that loads a preset, after some lines of its own; or have a program start it."""
    return subprocess.Popen(
        [*by, sys.executable, "-c", before + LOAD, name, str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
    )


def outcome(process):
    out, _ = process.communicate(timeout=60)
    return out.strip()


def folder_of(cache, commit):
    return cache / "models--owner--tiny" / "snapshots" / commit


def leftovers(cache):
    return list(cache.rglob("*.incomplete"))


def test_offline_mode_asks_nobody(hub, commit, cache):
    assert "HF_HUB_OFFLINE is set, and there is no whole copy" in outcome(start(cache, HF_HUB_OFFLINE="1"))
    load_pretrained(NAME, cache_dir=cache)
    hub.requests.clear()
    assert outcome(start(cache, HF_HUB_OFFLINE="1")) == "loaded 0.4"
    assert hub.requests == []


def test_time_to_wait_is_the_environment_s(hub, commit, cache):
    hub.fault(pause=20, times=1)
    assert f"{hub.url} did not answer within 1 s" in outcome(start(cache, HF_HUB_ETAG_TIMEOUT="1"))


def run_script(script, **environment):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), **environment}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_bundled_preset_needs_no_client():
    script = "import sys; from braintumorseg import load_pretrained; load_pretrained('resunet-lgg'); "
    assert run_script(script + "print('huggingface_hub' in sys.modules)") == "False"


def test_cache_lies_under_hf_home(hub, commit, tmp_path):
    script = f"from braintumorseg import load_pretrained; print(load_pretrained({NAME!r}).name)"
    assert run_script(script, HF_HOME=str(tmp_path / "home")) == "tiny"
    assert (tmp_path / "home" / "hub" / "models--owner--tiny" / "snapshots" / commit / WEIGHTS_FILE).is_file()


def test_proxy_is_used(hub, commit, cache):
    environment = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": hub.url, "NO_PROXY": "127.0.0.1"}
    assert outcome(start(cache, **environment)) == "loaded 0.4"
    assert {request.headers["Host"] for request in hub.requests if request.origin == "hub"} == {"hub.invalid"}


def test_several_processes_at_once(hub, commit, tiny, cache):
    hub.fault(hashes(tiny)[WEIGHTS_FILE], crawl=0.05)
    processes = [start(cache) for _ in range(5)]
    assert [outcome(process) for process in processes] == ["loaded 0.4"] * 5
    assert hashes(folder_of(cache, commit)) == hashes(tiny)
    assert leftovers(cache) == []


def test_killed_in_the_middle_of_a_download(hub, commit, tiny, cache):
    weights = hashes(tiny)[WEIGHTS_FILE]
    hub.fault(weights, crawl=0.5, times=1)
    process = start(cache)
    while not any(weights in request.path for request in hub.requests):
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.6)  # some of the body is there
    process.kill()
    process.communicate()
    assert not (folder_of(cache, commit) / RECORD_FILE).exists()
    assert load_pretrained(NAME, cache_dir=cache).name == "tiny"


# The kernel fails every write past this many bytes of a file: with an error as on a full disk, or by killing the process.
FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
KILLED = FULL + "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"


def test_full_disk(hub, commit, cache):
    said = outcome(start(cache, before=FULL))
    assert said == (
        f"refused {cache}: can't be written (File too large); "
        "give another cache_dir, or set HF_HOME to a folder with room"
    )
    assert leftovers(cache) == []
    assert outcome(start(cache)) == "loaded 0.4"


def test_killed_in_the_middle_of_a_file(hub, commit, tiny, cache):
    process = start(cache, before=KILLED)
    assert outcome(process) == ""
    assert process.returncode < 0
    (left,) = leftovers(cache)
    assert 0 < left.stat().st_size <= 5000
    assert load_pretrained(NAME, cache_dir=cache).name == "tiny"
    assert hashes(folder_of(cache, commit)) == hashes(tiny)


# Permissions bind the superuser too, once it has given up the right to write past them (CAP_DAC_OVERRIDE) and started a program
# anew. It keeps the right to read (CAP_DAC_READ_SEARCH), so that the checkout may lie in a folder that others may not enter.
BOUND = """
import ctypes, os, sys
if os.geteuid() == 0:
    drop_from_bounding_set, dac_override = 24, 1
    assert ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(
    os.name == "nt" or (os.geteuid() == 0 and sys.platform != "linux"), reason="permissions bind nobody who runs this"
)
def test_read_only_cache(hub, commit, cache):
    bound = sys.executable, "-c", BOUND
    cache.mkdir(mode=0o555)
    assert f"{cache / 'models--owner--tiny'}: can't be written (Permission denied)" in outcome(start(cache, by=bound))
    cache.chmod(0o755)
    assert outcome(start(cache)) == "loaded 0.4"
    (cache / "models--owner--tiny" / "refs" / "main").unlink()
    paths = [path for path in (cache, *cache.rglob("*")) if not path.is_symlink()]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert outcome(start(cache, by=bound)) == "loaded 0.4"
    assert not (cache / "models--owner--tiny" / "refs" / "main").exists()
    for path in paths:
        path.chmod(0o755)
