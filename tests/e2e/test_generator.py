"""What the generator makes, from the pipeline file's catalogue and plain arithmetic: the reference of the other tests."""

from __future__ import annotations

import datetime
import decimal
import tomllib

import pytest

import generator
import oracle
from generator import UNLIMITED
from program import EXIT_OK, VENTES, sets

UTC = datetime.timezone.utc


@pytest.fixture(scope="module")
def catalogue() -> dict:
    return tomllib.loads(VENTES.read_text(), parse_float=decimal.Decimal)["source"]["generator"]


def entity(catalogue: dict, name: str) -> dict[int, dict]:
    table = catalogue["catalogues"][catalogue["catalogue"]][name]
    return {row[0]: dict(zip(table["columns"], row)) for row in table["rows"]}


def check_catalogue(row: dict, catalogue: dict) -> None:
    product = entity(catalogue, "produit")[row["produit_id"]]
    client = entity(catalogue, "client")[row["client_id"]]
    assert (row["produit_nom"], row["categorie"]) == (product["nom"], product["categorie"])
    assert (row["client_nom"], row["pays"], row["segment"]) == (client["nom"], client["pays"], client["segment"])
    assert 1 <= row["quantite"] <= 5
    assert row["montant"] == decimal.Decimal(product["prix"]) * row["quantite"]


def test_every_sale_agrees_with_the_catalogue_and_its_position(program, lake, catalogue):
    program.ingest(
        lake, *sets("source.generator.partitions=3", "source.generator.event_interval=7s"), *UNLIMITED, "--events", 5000
    ).expect(EXIT_OK)
    view = oracle.assert_exact(lake, oracle.truth_of(oracle.LakeView(lake)), dense=True)
    assert len(view.bronze) == 5000 and not view.quarantine
    start = datetime.datetime.fromisoformat(catalogue["start_time"].replace("Z", "+00:00"))
    for row in view.bronze:
        check_catalogue(row, catalogue)
        # The events of all partitions together are numbered from 1, row by row across the partitions.
        assert row["vente_id"] == row["_offset"] * 3 + row["_partition"] + 1
        assert row["timestamp"] == start + datetime.timedelta(seconds=7 * (row["vente_id"] - 1))
    assert {row["produit_id"] for row in view.bronze} == entity(catalogue, "produit").keys()
    assert {row["client_id"] for row in view.bronze} == entity(catalogue, "client").keys()


def test_the_shares_are_what_was_asked_for(program, lake, catalogue):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 9000).expect(EXIT_OK)
    view = oracle.LakeView(lake)
    assert 0.02 < len(view.quarantine) / 9000 < 0.04
    assert len({row["reason"] for row in view.quarantine}) >= 3, "broken in several ways"
    start = datetime.datetime.fromisoformat(catalogue["start_time"].replace("Z", "+00:00"))
    late = repeated = 0
    at = view.bronze_at()
    for (_, partition), rows in at.items():
        for offset, row in rows.items():
            check_catalogue(row, catalogue)
            number = offset * generator.PARTITIONS + partition + 1
            on_time = start + datetime.timedelta(seconds=7 * (row["vente_id"] - 1))
            assert on_time - datetime.timedelta(hours=2) <= row["timestamp"] <= on_time
            late += row["timestamp"] < on_time
            if row["vente_id"] != number:
                repeated += 1
                before = rows.get(offset - 1)
                if before is not None:
                    assert [before[name] for name in oracle.COLUMNS] == [row[name] for name in oracle.COLUMNS]
    assert 0.035 < late / 9000 < 0.07
    assert 0.02 < repeated / 9000 < 0.04


def test_the_same_seed_makes_the_same_sales_and_another_one_others(program, tmp_path):
    rows = []
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        program.ingest(tmp_path / name, *sets(f"source.generator.seed={seed}"), *UNLIMITED, "--events", 1000).expect(EXIT_OK)
        found = oracle.LakeView(tmp_path / name).bronze
        rows.append(sorted(tuple(row[name] for name in oracle.COLUMNS) for row in found if row["_offset"] < 400))
    assert rows[0] == rows[1] != rows[2]


def test_more_clients_than_the_catalogue_has(program, lake):
    program.ingest(lake, *sets("source.generator.clients=1000"), *UNLIMITED, "--events", 8000).expect(EXIT_OK)
    rows = oracle.LakeView(lake).bronze
    names = {row["client_id"]: row["client_nom"] for row in rows}
    assert 900 < len(names) <= 1000
    assert all(names[row["client_id"]] == row["client_nom"] for row in rows), "a client has one name"


def test_a_rate_is_kept(program, lake):
    program.ingest(lake, *sets("source.generator.rate=1000"), "--for", "4s").expect(EXIT_OK)
    assert 2400 <= oracle.events_committed(lake) <= 4400
