"""The pipeline file's named questions: answered over the lake, for people and for programs."""

from __future__ import annotations

import collections
import datetime
import decimal
import json
import pathlib

import deltalake
import pyarrow

import delta_log
import generator
import oracle
from generator import UNLIMITED
from program import EXIT_OK, EXIT_RUNTIME, EXIT_USAGE


def test_the_reports_over_bronze(program, lake):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 3000).expect(EXIT_OK)
    names = program.run("report", program.pipeline, "--lake", lake, "--json").expect(EXIT_OK).json()
    assert {"counts", "revenue_by_country", "top_5_clients", "bronze_sample", "latest_10_sales", "overall_statistics"} <= set(names)

    bronze = oracle.LakeView(lake).bronze
    revenue: collections.Counter = collections.Counter()
    for row in bronze:
        revenue[row["pays"]] += row["montant"]
    done = program.run("report", program.pipeline, "revenue_by_country", "--lake", lake, "--json").expect(EXIT_OK)
    rows = json.loads(done.stdout, parse_float=str)["revenue_by_country"]
    assert [(row["pays"], row["revenu"]) for row in rows] == [(k, str(v)) for k, v in sorted(revenue.items(), key=lambda x: -x[1])]

    text = program.run("report", program.pipeline, "revenue_by_country", "--lake", lake).expect(EXIT_OK).stdout
    longest, *others = [line.count("█") for line in text.splitlines() if line.startswith("│") and "█" in line]
    assert longest == 24 and all(other <= longest for other in others) and len(others) + 1 == len(revenue)
    version = delta_log.version(lake / "bronze" / "ventes_stream")
    assert f"bronze/ventes_stream version {version}, as of 2" in text
    program.run("report", program.pipeline, "nonsense", "--lake", lake).expect(EXIT_USAGE)


def silver_by_hand(lake: pathlib.Path, bronze: list[dict]) -> None:
    """The three silver tables of the reference workload, computed here and written by delta-rs."""
    now = datetime.datetime.now(datetime.timezone.utc)
    money = pyarrow.decimal128(38, 2)

    def groups(*keys):
        found = collections.defaultdict(list)
        for row in bronze:
            found[tuple(row[key] for key in keys)].append(row)
        return found

    def write(name: str, columns: list[tuple[str, pyarrow.DataType]], rows: list[tuple]) -> None:
        columns = [*columns, ("processing_time", pyarrow.timestamp("us", "UTC"))]
        values = zip(*[(*row, now) for row in rows])
        arrays = {column: pyarrow.array(list(v), kind) for (column, kind), v in zip(columns, values)}
        deltalake.write_deltalake(str(lake / "silver" / name), pyarrow.table(arrays), partition_by=["jour"])

    text, count = pyarrow.string(), pyarrow.int64()
    total = lambda rows: sum(row["montant"] for row in rows)  # noqa: E731
    mean = lambda rows: (total(rows) / len(rows)).quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP)  # noqa: E731
    tier = lambda sum_: "Premium" if sum_ >= 500 else "Standard" if sum_ >= 100 else "Economy"  # noqa: E731
    write(
        "ventes_aggreges",
        [("client_id", count), ("client_nom", text), ("pays", text), ("segment", text), ("jour", text)]
        + [("total_quantite", count), ("total_depense", money), ("nb_achats", count), ("panier_moyen", money)]
        + [("achat_min", money), ("achat_max", money), ("nb_produits_distincts", count)]
        + [("est_client_fidele", pyarrow.bool_()), ("segment_depense", text)],
        [
            (*key, sum(r["quantite"] for r in rows), total(rows), len(rows), mean(rows))
            + (min(r["montant"] for r in rows), max(r["montant"] for r in rows), len({r["produit_id"] for r in rows}))
            + (len(rows) >= 2, tier(total(rows)))
            for key, rows in groups("client_id", "client_nom", "pays", "segment", "jour").items()
        ],
    )
    write(
        "ventes_par_pays",
        [("pays", text), ("jour", text), ("total_transactions", count), ("revenue_total", money)]
        + [("transaction_moyenne", money), ("items_sold", count), ("unique_customers", count)],
        [
            (*key, len(rows), total(rows), mean(rows), sum(r["quantite"] for r in rows), len({r["client_id"] for r in rows}))
            for key, rows in groups("pays", "jour").items()
        ],
    )
    write(
        "ventes_par_segment",
        [("segment", text), ("jour", text), ("total_transactions", count), ("revenue_total", money)]
        + [("transaction_moyenne", money), ("unique_customers", count), ("countries_count", count)],
        [
            (*key, len(rows), total(rows), mean(rows), len({r["client_id"] for r in rows}), len({r["pays"] for r in rows}))
            for key, rows in groups("segment", "jour").items()
        ],
    )


def test_the_reports_over_silver(program, lake):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 15_000).expect(EXIT_OK)
    bronze = oracle.LakeView(lake).bronze
    assert len({row["jour"] for row in bronze}) > 1, "sums over days need days"
    done = program.run("report", program.pipeline, "by_country", "--lake", lake).expect(EXIT_RUNTIME)
    assert "sql.no_table" in done.stderr and "ventes_par_pays" in done.stderr
    silver_by_hand(lake, bronze)
    done = program.run("report", program.pipeline, "--all", "--lake", lake, "--json").expect(EXIT_OK)
    reports = json.loads(done.stdout, parse_float=decimal.Decimal)

    def totals(key: str) -> dict:
        found: collections.Counter = collections.Counter()
        for row in bronze:
            found[row[key]] += row["montant"]
        return dict(found)

    assert {row["pays"]: row["revenue_total"] for row in reports["by_country"]} == totals("pays")
    assert {row["segment"]: row["revenue_total"] for row in reports["by_segment"]} == totals("segment")
    by_client = totals("client_id")
    assert {row["client_id"]: row["total_depense"] for row in reports["by_client"]} == by_client
    for name in ("by_country", "by_segment"):
        sums = [row["revenue_total"] for row in reports[name]]
        assert sums == sorted(sums, reverse=True)
        for row in reports[name]:
            mean = (row["revenue_total"] / row["total_transactions"]).quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP)
            assert row["transaction_moyenne"] == mean
    assert sum(row["nb_achats"] for row in reports["loyalty"]) == len(bronze)
    assert sum(row["total_depense"] for row in reports["loyalty"]) == sum(by_client.values())
    text = program.run("report", program.pipeline, "--all", "--lake", lake).expect(EXIT_OK).stdout
    assert text.count("as of 2") == len(reports) == 10 and "silver/ventes_par_segment version 0" in text


def test_a_report_that_fails_does_not_keep_the_others_from_running(program, lake, tmp_path):
    program.ingest(lake, *generator.EVENTS, *UNLIMITED, "--events", 100).expect(EXIT_OK)
    file = tmp_path / "reports.toml"
    text = program.pipeline.read_text()
    file.write_text(
        text[: text.index("[reports.counts]")]
        + '[reports]\nabsent = "SELECT * FROM silver.nothing"\none = "SELECT 1 AS n"\n'
        + '[reports.bad_bar]\nsql = "SELECT 1 AS n"\nbar = "m"\n[reports.text_bar]\nsql = "SELECT \'x\' AS n"\nbar = "n"\n'
    )
    reports = program.with_pipeline(file)
    done = reports.run("report", file, "--all", "--lake", lake).expect(EXIT_RUNTIME)
    assert "│ 1 │" in done.stdout and "sql.no_table" in done.stderr and done.stderr.count("report.bad_bar") == 2
    done = reports.run("report", file, "--all", "--lake", lake, "--json").expect(EXIT_RUNTIME)
    assert done.json()["one"] == [{"n": 1}] and "absent" not in done.json() and "sql.no_table" in done.stderr


def test_a_demo_ends_with_a_few_answers(program, lake):
    done = program.run("demo", program.pipeline, "--lake", lake, "--events", 500, *UNLIMITED).expect(EXIT_OK)
    assert done.stdout.count("as of 2") == 3 and "error" not in done.stderr
