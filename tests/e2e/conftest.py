"""What the end-to-end tests share: the program under test, the preload library, one broker for the session."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

import generator
import kafka_broker
import live
import object_server
import program as program_module
import shop

FAULTS = program_module.ROOT / "tests" / "faults"


@pytest.fixture(scope="session")
def binary() -> pathlib.Path:
    """A test build: it has the named points. INLET_BIN, or where `make test` leaves it."""
    path = pathlib.Path(os.environ.get("INLET_BIN", program_module.ROOT / "build" / "test" / "inlet")).resolve()
    if not path.is_file():
        pytest.fail(f"{path} is not there: build it with the preset `test`, or name another one by INLET_BIN")
    return path


@pytest.fixture
def program(binary, tmp_path) -> program_module.Program:
    return program_module.Program(binary, tmp_path / "processes")


@pytest.fixture
def lake(tmp_path) -> pathlib.Path:
    return tmp_path / "lake"


@pytest.fixture(scope="session")
def inject_library(tmp_path_factory) -> pathlib.Path:
    library = tmp_path_factory.mktemp("faults") / "libinlet_inject.so"
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
        + ["-o", str(library), str(FAULTS / "inject.c"), "-ldl"],
        check=True,
        timeout=60,
    )
    return library


@pytest.fixture(scope="session")
def reference(binary, tmp_path_factory) -> generator.Reference:
    return generator.Reference(binary, tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="session")
def session_broker(tmp_path_factory):
    broker = kafka_broker.Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def broker(session_broker):
    """The session's broker, running, whatever the test before did to it."""
    session_broker.ensure_running()
    return session_broker


@pytest.fixture(scope="session")
def session_object_server(tmp_path_factory):
    server = object_server.Server(tmp_path_factory.mktemp("objects"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(session_object_server):
    """An empty bucket of the session's S3 server, which runs, whatever the test before did to it."""
    session_object_server.ensure_running()
    return session_object_server.new_bucket()


@pytest.fixture(scope="module")
def settled(binary, tmp_path_factory):
    """A run that serves the shop, all of whose sales have been read and published: nothing changes any more."""
    directory = tmp_path_factory.mktemp("settled")
    program = program_module.Program(binary, directory / "processes", shop.write_pipeline(directory))
    sold = shop.Shop(directory / "sales.jsonl")
    sold.fill()
    served = live.start(program, directory / "lake", *program_module.sets(f"source.file.path={sold.path}"))
    with served.running:
        served.program, served.shop, served.truth = program, sold, sold.truth
        served.wait_for(lambda: live.is_level(served, sold.truth.lines), 30, "every sale read and published")
        yield served


@pytest.fixture(scope="module")
def flowing(binary, tmp_path_factory):
    """A run that serves the shop while sales flow."""
    directory = tmp_path_factory.mktemp("flowing")
    program = program_module.Program(binary, directory / "processes", shop.write_pipeline(directory))
    served = live.start(program, directory / "lake", "--source", "generator")
    with served.running:
        served.program = program
        served.wait_for(lambda: live.is_level(served, 1, exactly=False), 30, "the first sales published")
        yield served
