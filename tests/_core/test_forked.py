import subprocess
import sys

import pytest

from braintumorseg._core.forked import check_not_stranded

FORKING = """
import os, sys, types
from braintumorseg._core.forked import check_not_stranded

sys.modules["jax"] = types.ModuleType("jax")
check_not_stranded("jax")  # in the process that loaded it
for generation in range(2):  # a child, and a child of it
    if os.fork():
        os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
    check_not_stranded("torch")  # not loaded by any of them
    try:
        check_not_stranded("jax")
    except RuntimeError as error:
        print(generation, error, flush=True)
os._exit(0)
"""


def test_a_process_that_was_not_forked_may_use_all():
    for runtime in ("openvino", "tensorflow", "torch"):
        check_not_stranded(runtime)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_children_know_what_their_parents_had_loaded():
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, check=True)
    first, second = done.stdout.splitlines()
    assert first == (
        "0 jax was loaded before this process was forked, and can't run in it: "
        'start processes by spawn, with multiprocessing.get_context("spawn")'
    )
    assert second == f"1{first[1:]}"
