"""Calls of Linux that Python does not wrap."""

import mmap
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from observer_core.pipes import open_pipe
from supervisor import linux

PAGES = 512


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="this kernel does not tell which pages are whose")
def test_pages_that_a_sibling_wrote_to_cost_no_fault_any_more() -> None:
    memory = mmap.mmap(-1, PAGES * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    write_all(memory)
    done_r, done_w = os.pipe()
    wait_r, wait_w = os.pipe()

    def sibling() -> None:
        write_all(memory)
        os.write(done_w, b"x")
        os.read(wait_r, 1)

    model = forked(sibling)
    os.read(done_r, 1)

    def faults_of(prepare: Callable[[], int]) -> int:
        result_r, result_w = open_pipe()

        def prepared() -> None:
            asked = prepare()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            write_all(memory)
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
            os.write(result_w, f"{asked} {faults}".encode())

        os.waitpid(forked(prepared), 0)
        asked, faults = map(int, os.read(result_r, 100).split())
        os.close(result_r)
        os.close(result_w)
        assert (asked >= PAGES) == (faults < PAGES)
        return faults

    try:
        assert faults_of(lambda: 0) >= PAGES
        assert faults_of(lambda: linux.own_pages_like(model)) < PAGES // 10
    finally:
        os.write(wait_w, b"x")
        os.waitpid(model, 0)
        for fd in (done_r, done_w, wait_r, wait_w):
            os.close(fd)
    assert linux.own_pages_like(model) == 0


def write_all(memory: mmap.mmap) -> None:
    for page in range(PAGES):
        memory[page * mmap.PAGESIZE] = 1


def forked(body: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(0)
    return pid
