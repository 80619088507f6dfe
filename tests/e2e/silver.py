"""The silver tables of the sales pipeline, computed again in plain Python from bronze as delta-rs reads it.

Knows the design's definitions (columns, rounding, thresholds) and nothing of how Inlet keeps them.
"""

from __future__ import annotations

import collections
import decimal
import pathlib

import deltalake

import delta_log

BRONZE = "bronze/ventes_stream"
VIEWS = ("ventes_aggreges", "ventes_par_pays", "ventes_par_segment", "ventes_par_minute", "dernieres_ventes")

Row = dict


def average(amounts: list[decimal.Decimal]) -> decimal.Decimal:
    """Of DECIMAL(12,2): DECIMAL(16,6), half away from zero."""
    with decimal.localcontext() as context:
        context.prec = 60
        return (sum(amounts) / len(amounts)).quantize(decimal.Decimal("0.000001"), rounding=decimal.ROUND_HALF_UP)


def grouped(rows: list[Row], keys: tuple[str, ...]) -> dict[tuple, list[Row]]:
    """A key is a column, or one of those that views compute."""
    computed = {"minute": lambda row: row["timestamp"].replace(second=0, microsecond=0), "place": lambda row: row["vente_id"] % 64}
    groups = collections.defaultdict(list)
    for row in rows:
        groups[tuple(computed[key](row) if key in computed else row[key] for key in keys)].append(row)
    return groups


def aggreges(rows: list[Row]) -> dict[tuple, Row]:
    table = {}
    for key, sales in grouped(rows, ("client_id", "client_nom", "pays", "segment", "jour")).items():
        amounts = [sale["montant"] for sale in sales]
        spent = sum(amounts)
        table[key] = {
            "total_quantite": sum(sale["quantite"] for sale in sales),
            "total_depense": spent,
            "nb_achats": len(sales),
            "panier_moyen": average(amounts),
            "achat_min": min(amounts),
            "achat_max": max(amounts),
            "nb_produits_distincts": len({sale["produit_id"] for sale in sales}),
            "est_client_fidele": len(sales) >= 2,
            "segment_depense": "Premium" if spent >= 500 else "Standard" if spent >= 100 else "Economy",
        }
    return table


def par_pays(rows: list[Row]) -> dict[tuple, Row]:
    return {
        key: {
            "total_transactions": len(sales),
            "revenue_total": sum(sale["montant"] for sale in sales),
            "transaction_moyenne": average([sale["montant"] for sale in sales]),
            "items_sold": sum(sale["quantite"] for sale in sales),
            "unique_customers": len({sale["client_id"] for sale in sales}),
        }
        for key, sales in grouped(rows, ("pays", "jour")).items()
    }


def par_segment(rows: list[Row]) -> dict[tuple, Row]:
    return {
        key: {
            "total_transactions": len(sales),
            "revenue_total": sum(sale["montant"] for sale in sales),
            "transaction_moyenne": average([sale["montant"] for sale in sales]),
            "unique_customers": len({sale["client_id"] for sale in sales}),
            "countries_count": len({sale["pays"] for sale in sales} - {None}),
        }
        for key, sales in grouped(rows, ("segment", "jour")).items()
    }


def par_minute(rows: list[Row]) -> dict[tuple, Row]:
    return {
        key: {"total_transactions": len(sales), "revenue_total": sum(sale["montant"] for sale in sales)}
        for key, sales in grouped(rows, ("minute", "pays", "jour")).items()
    }


def dernieres(rows: list[Row]) -> dict[tuple, Row]:
    shown = ("timestamp", "client_nom", "produit_nom", "quantite", "montant")
    return {
        key: {column: last[column] for column in shown}
        for key, sales in grouped(rows, ("jour", "pays", "segment", "place")).items()
        for last in [max(sales, key=lambda sale: (sale["timestamp"], sale["_partition"], sale["_offset"], sale["_source"]))]
    }


EXPECTED = {
    "ventes_aggreges": (("client_id", "client_nom", "pays", "segment", "jour"), aggreges),
    "ventes_par_pays": (("pays", "jour"), par_pays),
    "ventes_par_segment": (("segment", "jour"), par_segment),
    "ventes_par_minute": (("minute", "pays", "jour"), par_minute),
    "dernieres_ventes": (("jour", "pays", "segment", "place"), dernieres),
}


def read(table: pathlib.Path, version: int | None = None) -> list[Row]:
    return deltalake.DeltaTable(str(table), version=version).to_pyarrow_table().to_pylist()


def reflects(lake: pathlib.Path, view: str, pipeline: str = "ventes") -> int | None:
    """The bronze version that the newest publish of the view reflects."""
    newest = None
    for commit in delta_log.read(lake / "silver" / view):
        for app_id, version in commit.transactions.items():
            if app_id == f"{pipeline}/views/{view}":
                newest = version
    return newest


def problems(lake: pathlib.Path) -> list[str]:
    """What is wrong with the silver tables, each against the bronze version it says it reflects."""
    found = []
    for view, (keys, compute) in EXPECTED.items():
        version = reflects(lake, view)
        if version is None:
            found.append(f"{view}: never published")
            continue
        expected = compute(read(lake / BRONZE, version))
        actual = collections.defaultdict(list)
        for row in read(lake / "silver" / view):
            row.pop("processing_time")
            actual[tuple(row.pop(key) for key in keys)].append(row)
        for key in expected.keys() | actual.keys():
            if actual.get(key, []) != [expected.get(key)]:
                found.append(f"{view} at bronze version {version}, {key}: {actual.get(key)}, expected {expected.get(key)}")
    return found


def assert_exact(lake: pathlib.Path) -> None:
    found = problems(lake)
    assert found == [], "\n".join(found[:10])
