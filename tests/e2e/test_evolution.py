"""What a pipeline file says changes from one start to the next: views with other columns, fields that come and go.

Judged by delta-rs and by arithmetic that is not Inlet's. Seeds are the tests' own: they choose amounts and countries.
"""

from __future__ import annotations

import collections
import signal

import pytest

import delta_log
import orders
from orders import BRONZE, VIEW
from program import EXIT_CONFIGURATION, EXIT_DATA_LOSS, EXIT_OK, EXIT_USAGE

EXIT_VERIFICATION = 4
PLAIN_COLUMNS = ("country", "day", "orders", "revenue")


# --- a view whose columns change ---

CHANGES = {
    "columns_added": (("country", "day", "orders", "revenue", "largest", "first"), None, ["day"]),
    "columns_removed": (("country", "day", "orders"), None, ["day"]),
    "other_types": (PLAIN_COLUMNS, {"orders": "CAST(count(*) AS DOUBLE)", "revenue": "CAST(sum(amount) AS DOUBLE)"}, ["day"]),
    "other_order": (("revenue", "day", "orders", "country"), None, ["day"]),
    "other_keys": (("country", "orders", "revenue"), None, []),
    "partitioned_otherwise": (PLAIN_COLUMNS, None, ["country"]),
    "partitioned_no_more": (("country", "day", "largest"), None, []),
}


def changed(sold, program, change: str):
    shown, casts, partition_by = CHANGES[change]
    return sold.pipeline(program, {"per_country": (orders.select(*shown, casts=casts), partition_by)}), shown


@pytest.mark.parametrize("change", CHANGES)
def test_a_view_with_other_columns_is_built_into_the_same_table_by_one_commit(program, lake, tmp_path, change):
    sold = orders.Orders(tmp_path, 1)
    sold.write(300)
    before = sold.pipeline(program)
    orders.run(before, lake).expect(EXIT_OK)
    orders.assert_view(lake, PLAIN_COLUMNS)
    old_version, old_rows = orders.newest(lake, VIEW), orders.read(lake / VIEW)
    old_files = set(delta_log.files_at(lake / VIEW, old_version))

    sold.write(200)
    after, shown = changed(sold, program, change)
    report = after.run("verify", after.pipeline, "--lake", lake, "--json").expect(EXIT_VERIFICATION).json()
    assert report[0]["problem"], report
    orders.run(after, lake).expect(EXIT_OK)
    orders.assert_view(lake, shown)
    orders.verify(after, lake)

    commits = delta_log.read(lake / VIEW)
    defining = [commit for commit in commits if commit.metadata]
    assert [commit.version for commit in defining] == [0, old_version + 1]
    swap = defining[1]
    assert swap.metadata["id"] == defining[0].metadata["id"]
    assert swap.metadata["partitionColumns"] == CHANGES[change][2]
    assert swap.metadata["configuration"] == defining[0].metadata["configuration"]
    assert set(swap.removes) == old_files and swap.adds and "orders/views/per_country" in swap.transactions
    assert swap.info["operation"] == "REPLACE TABLE AS SELECT"

    # The version before stays what it was, for delta-rs and for Inlet.
    def as_read(rows):
        return sorted(tuple(sorted((k, str(v)) for k, v in row.items())) for row in rows)

    assert as_read(orders.read(lake / VIEW, old_version)) == as_read(old_rows)
    then = after.run(
        "query", after.pipeline, "SELECT * FROM silver.per_country", "--at", f"{VIEW}={old_version}", "--json", "--lake", lake
    ).expect(EXIT_OK)
    assert list(then.json()[0]) == [*PLAIN_COLUMNS, "processing_time"] and len(then.json()) == len(old_rows)
    now = after.query(lake, "SELECT * FROM silver.per_country")
    assert list(now[0]) == [*shown, "processing_time"] and len(now) == len(orders.read(lake / VIEW))
    history = after.run("history", after.pipeline, VIEW, "--json", "--lake", lake).expect(EXIT_OK).json()
    assert "REPLACE TABLE AS SELECT" in [entry["operation"] for entry in history]
    if change != "other_types":
        found = after.run("diff", after.pipeline, VIEW, old_version, orders.newest(lake, VIEW), "--json", "--lake", lake).expect(EXIT_OK).json()
        known = {*PLAIN_COLUMNS, *shown}  # NULL where a version has no such column
        gone, came = (
            collections.Counter(tuple(str(row.get(name)) for name in sorted(known)) for row in rows)
            for rows in (old_rows, orders.read(lake / VIEW))
        )
        assert found["removed"] + found["changed"] == (gone - came).total(), found
        assert found["added"] + found["changed"] == (came - gone).total(), found
    else:
        refused = after.run("diff", after.pipeline, VIEW, old_version, orders.newest(lake, VIEW), "--lake", lake)
        assert refused.code == EXIT_USAGE and "diff.other_type" in refused.stderr, refused

    # Nothing is replaced once more: the next start goes on, and so does the pipeline file of before.
    sold.write(100)
    orders.run(after, lake).expect(EXIT_OK)
    orders.assert_view(lake, shown)
    orders.run(before, lake).expect(EXIT_OK)
    orders.assert_view(lake, PLAIN_COLUMNS)
    assert len([commit for commit in delta_log.read(lake / VIEW) if commit.metadata]) == 3


@pytest.mark.parametrize("kind", ["appended", "recomputed"])
def test_views_without_a_state_change_their_columns_too(program, lake, tmp_path, kind):
    sold = orders.Orders(tmp_path, 2)
    sold.write(150)

    def with_columns(names: str):
        done = sold.pipeline(program, {"large": (f"SELECT {names} FROM bronze.orders WHERE amount > 300", [])})
        if kind == "recomputed":
            done.pipeline.write_text(done.pipeline.read_text() + 'refresh = "1s"\n')
        return done

    orders.run(with_columns("id, amount"), lake).expect(EXIT_OK)
    sold.write(150)
    wider = with_columns("country, id, amount * 2 AS twice")
    orders.run(wider, lake).expect(EXIT_OK)
    sold.write(150)
    orders.run(wider, lake).expect(EXIT_OK)
    orders.verify(wider, lake)
    expected = {(r["country"], r["id"], r["amount"] * 2) for r in orders.read(lake / BRONZE) if r["amount"] > 300}
    rows = orders.read(lake / "silver" / "large")
    assert {(r["country"], r["id"], r["twice"]) for r in rows} == expected and len(rows) == len(expected)
    assert len([commit for commit in delta_log.read(lake / "silver" / "large") if commit.metadata]) == 2


@pytest.mark.parametrize("point", ["views.before_publish_parquet", "views.before_publish_commit", "lake.before_commit_link"])
def test_a_death_before_the_swap_leaves_the_old_table(program, lake, tmp_path, point):
    sold = orders.Orders(tmp_path, 3)
    sold.write(200)
    orders.run(sold.pipeline(program), lake).expect(EXIT_OK)
    version, rows = orders.newest(lake, VIEW), len(orders.read(lake / VIEW))
    after, shown = changed(sold, program, "partitioned_otherwise")
    only_views = ("--only", "views", "--until", "caught-up")
    killed = orders.run(after, lake, *only_views, env={"INLET_KILL_AT": f"{point}:1"})
    assert killed.code == -signal.SIGKILL, killed
    assert orders.newest(lake, VIEW) == version and len(orders.read(lake / VIEW)) == rows
    orders.run(after, lake, *only_views).expect(EXIT_OK)
    orders.assert_view(lake, shown)
    orders.verify(after, lake)


def test_a_death_after_the_swap_leaves_the_new_table(program, lake, tmp_path):
    sold = orders.Orders(tmp_path, 4)
    sold.write(200)
    orders.run(sold.pipeline(program), lake).expect(EXIT_OK)
    after, shown = changed(sold, program, "columns_added")
    killed = orders.run(after, lake, "--only", "views", "--until", "caught-up", env={"INLET_KILL_AT": "views.after_publish_commit:1"})
    assert killed.code == -signal.SIGKILL, killed
    orders.assert_view(lake, shown)
    orders.run(after, lake).expect(EXIT_OK)
    assert len([commit for commit in delta_log.read(lake / VIEW) if commit.metadata]) == 2


def test_a_process_with_the_old_file_does_not_fight_for_the_table(program, lake, tmp_path):
    """It runs where the other's lock is not seen: on another machine, say. It stops its view, and says why."""
    sold = orders.Orders(tmp_path, 5)
    sold.write(200)
    before = sold.pipeline(program)
    orders.run(before, lake).expect(EXIT_OK)
    after, shown = changed(sold, program, "columns_added")
    with before.start("run", before.pipeline, "--lake", lake, "--only", "views") as old:
        lock = lake / "_inlet" / "orders.views.lock"
        old.wait_until(lambda: str(old.pid) in lock.read_text(), 10, "the lock")
        lock.unlink()  # what another machine's lock looks like from here
        sold.write(100)
        orders.run(after, lake).expect(EXIT_OK)
        swapped = orders.newest(lake, VIEW)
        old.wait_until(lambda: "has stopped" in old.stderr(), 20, "a view that stops")
        old.signal(signal.SIGTERM)
        done = old.wait(20)
    assert done.code == EXIT_DATA_LOSS, done
    assert "lake.metadata_moved" in done.stderr and "largest" in done.stderr, done
    orders.assert_view(lake, shown)
    assert [commit.version for commit in delta_log.read(lake / VIEW) if commit.metadata][1:] == [swapped]


def test_a_table_that_is_not_the_views_own_is_not_replaced(program, lake, tmp_path):
    sold = orders.Orders(tmp_path, 6)
    sold.write(50)
    orders.run(sold.pipeline(program), lake).expect(EXIT_OK)
    taken = sold.pipeline(program)
    taken.pipeline.write_text(taken.pipeline.read_text() + 'table = "bronze/orders"\n')
    version = orders.newest(lake)
    done = orders.run(taken, lake)
    assert done.code == EXIT_CONFIGURATION, done
    assert orders.newest(lake) <= version + 1 and len(orders.read(lake / BRONZE)) == 50
