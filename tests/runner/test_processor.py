"""How much of the processor is this process's own, and how much is that of others."""

import subprocess
import sys
import time

from bench.runner.processor import ProcessorWatch

BUSY = "import time\nend = time.{clock}() + {seconds}\nwhile time.{clock}() < end: pass"
ORPHAN = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-S', '-c', sys.argv[1]])"


def test_the_work_of_this_process_and_its_children_is_its_own() -> None:
    watch = ProcessorWatch()
    exec(BUSY.format(clock="process_time", seconds=0.3))
    assert 0.28 <= watch.seconds < 0.6
    child = BUSY.format(clock="process_time", seconds=0.3)
    subprocess.run([sys.executable, "-S", "-c", child], check=True)
    assert 0.57 <= watch.seconds < 1.5


def test_a_child_still_at_work_counts() -> None:
    watch = ProcessorWatch()
    with subprocess.Popen([sys.executable, "-S", "-c", BUSY.format(clock="process_time", seconds=0.4)]) as child:
        while child.poll() is None and watch.seconds < 0.2:
            time.sleep(0.02)
        assert child.poll() is None


def test_the_work_of_others_is_seen_and_is_not_its_own() -> None:
    alone = BUSY.format(clock="time", seconds=2.0)
    subprocess.run([sys.executable, "-S", "-c", ORPHAN, alone], check=True)
    time.sleep(0.2)
    watch = ProcessorWatch()
    time.sleep(1.2)
    share = watch.others_share
    assert share is not None
    assert 0.5 / watch.cores <= share <= 1
    assert watch.seconds < 0.3


def test_a_moment_is_too_short_to_tell() -> None:
    assert ProcessorWatch().others_share is None
