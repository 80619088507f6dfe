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
        # The second time the table is another one, whoever published the first events before the other.
        for _ in range(2):
            sold.write(100)
            orders.run(after, lake).expect(EXIT_OK)
        left_at = orders.newest(lake, VIEW)
        done = old.wait(30)  # it has no other view
    assert done.code == EXIT_DATA_LOSS, done
    assert "lake.metadata_moved" in done.stderr and "largest" in done.stderr, done
    orders.assert_view(lake, shown)
    assert orders.newest(lake, VIEW) == left_at and len([commit for commit in delta_log.read(lake / VIEW) if commit.metadata]) == 2


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


# --- a column that the tables have not got yet ---

# The named points of a start that finds new columns; test_crash.py asks that every point of the source is listed.
POINTS = ("tables.before_evolve", "tables.after_evolve")
WITH_CHANNEL = {
    "id": "BIGINT required",
    "at": "TIMESTAMP required",
    "channel": "VARCHAR",  # in the middle: columns are known by their names
    "country": "VARCHAR",
    "amount": "DECIMAL(12,2) required",
}
DIVERT = '[late]\ndelay = "1h"\npolicy = "divert"\n[quarantine]\n'
CHANNELS = ("country", "day", "orders", "channels")
BOTH_VIEWS = {**orders.PLAIN, "per_channel": (orders.select(*CHANNELS), ["day"])}
LOCKLESS = {"INLET_NO_LOCK": "1"}


def channel(number: int) -> str | None:
    return None if number % 5 == 0 else f"channel {number % 3}"


def definitions(lake, table: str = BRONZE) -> list:
    return [commit for commit in delta_log.read(lake / table) if commit.metadata]


def late_and_broken(sold, **more) -> None:
    """Two events far behind the others, and one that is no event."""
    for _ in range(2):
        sold.raw(f'{{"id": {sold.count}, "at": "2026-03-01T00:00:01Z", "country": "fr", "amount": "1.50", "channel": "late"}}')
        sold.count += 1
    sold.raw(f'{{"id": {sold.count}, "at": "2026-03-01T00:00:01Z", "country": "fr", "amount": "too much", "channel": "bad"}}')
    sold.count += 1


def test_a_new_nullable_column_is_added_by_the_next_start_and_old_rows_have_null(program, lake, tmp_path):
    sold = orders.Orders(tmp_path, 10)
    sold.write(200)
    late_and_broken(sold)
    before = sold.pipeline(program, late=DIVERT)
    orders.run(before, lake).expect(EXIT_OK)
    last_before = orders.newest(lake)
    old = {row["_offset"]: row for row in orders.read(lake / BRONZE)}
    assert len(old) == 200 and len(orders.read(lake / orders.LATE)) == 2 and len(orders.read(lake / orders.QUARANTINE)) == 1

    sold.write(200, channel=channel)
    late_and_broken(sold)
    after = sold.pipeline(program, BOTH_VIEWS, WITH_CHANNEL, DIVERT)
    # Commands that may run beside the old process change nothing, and say what is to be done.
    refused = after.run("quarantine", "replay", after.pipeline, "--lake", lake)
    assert refused.code == EXIT_CONFIGURATION and "channel" in refused.stderr and "inlet run" in refused.stderr, refused
    assert after.run("late", "list", after.pipeline, "--json", "--lake", lake).expect(EXIT_OK).json()["pending"] == 2
    assert orders.newest(lake) == last_before

    done = orders.run(after, lake).expect(EXIT_OK)
    assert "view per_country: built" not in done.stderr and "per_channel: built" in done.stderr, done
    for table in (BRONZE, orders.LATE):
        evolved = definitions(lake, table)
        assert len(evolved) == 2 and not evolved[1].adds and not evolved[1].removes, evolved
        assert evolved[1].metadata["id"] == evolved[0].metadata["id"] and evolved[1].info["operation"] == "ADD COLUMNS"
        assert orders.columns(lake / table)[:5] == list(WITH_CHANNEL)
    assert len(definitions(lake, orders.QUARANTINE)) == 1

    rows = {row["_offset"]: row for row in orders.read(lake / BRONZE)}
    assert len(rows) == 400 and {offset: row for offset, row in rows.items() if offset in old} == {
        offset: row | {"channel": None} for offset, row in old.items()
    }
    assert {row["id"]: row["channel"] for offset, row in rows.items() if offset not in old} == {
        number: channel(number) for number in range(203, 403)
    }
    assert "channel" not in orders.columns(lake / BRONZE, last_before)
    asked = "SELECT id, channel FROM bronze.orders ORDER BY id"
    assert [(row["id"], row["channel"]) for row in after.query(lake, asked)] == sorted((r["id"], r["channel"]) for r in rows.values())
    orders.assert_view(lake, PLAIN_COLUMNS)
    orders.assert_view(lake, CHANNELS, "per_channel")
    orders.verify(after, lake)

    # Files of both kinds become one, and no row changes by it.
    after.run("optimize", after.pipeline, BRONZE, "--lake", lake).expect(EXIT_OK)
    assert {row["_offset"]: row for row in orders.read(lake / BRONZE)} == rows
    optimized = orders.newest(lake)
    found = after.run("diff", after.pipeline, BRONZE, last_before, optimized, "--json", "--lake", lake).expect(EXIT_OK).json()
    assert (found["added"], found["removed"], found["changed"]) == (200, 0, 0), found

    # What was put aside comes back with the column: NULL where the row is older than it.
    assert after.run("late", "preview", after.pipeline, "--json", "--lake", lake).code == EXIT_OK
    applied = after.run("late", "apply", after.pipeline, "--json", "--lake", lake).expect(EXIT_OK).json()
    assert applied["rows"] == 4
    mended = sold.pipeline(program, BOTH_VIEWS, WITH_CHANNEL | {"amount": "DECIMAL(12,2)"}, DIVERT)
    refused = mended.run("quarantine", "replay", mended.pipeline, "--lake", lake)
    assert refused.code == EXIT_CONFIGURATION and "amount" in refused.stderr, refused
    replayed = after.run("quarantine", "replay", after.pipeline, "--json", "--lake", lake).expect(EXIT_OK).json()
    assert replayed["replayed"] == 0
    sold.write(10, channel=channel)
    orders.run(after, lake).expect(EXIT_OK)
    assert sorted(str(r["channel"]) for r in orders.read(lake / BRONZE) if r["amount"] == 1.5) == ["None", "None", "late", "late"]
    orders.assert_view(lake, CHANNELS, "per_channel")
    orders.verify(after, lake)

    # Back to before the column came: the rows of then, and the columns of now.
    after.run("restore", after.pipeline, BRONZE, "--to", last_before, "--lake", lake).expect(EXIT_OK)
    assert {row["_offset"]: row for row in orders.read(lake / BRONZE)} == {o: row | {"channel": None} for o, row in old.items()}
    sold.write(10, channel=channel)
    orders.run(after, lake).expect(EXIT_OK)
    orders.assert_view(lake, CHANNELS, "per_channel")
    orders.verify(after, lake)
    assert len(definitions(lake)) == 2


def test_what_was_quarantined_before_the_column_is_replayed_with_it(program, lake, tmp_path):
    """Events with a field that the old file refuses: the new one has it as a column."""
    sold = orders.Orders(tmp_path, 11)
    sold.write(50)
    sold.write(30, channel=channel)
    before = sold.pipeline(program)
    refuse = ("--set", "event.unknown_fields=refuse")
    orders.run(before, lake, "--until", "caught-up", *refuse).expect(EXIT_OK)
    assert len(orders.read(lake / BRONZE)) == 50 and len(orders.read(lake / orders.QUARANTINE)) == 30
    sold.write(20, channel=channel)
    after = sold.pipeline(program, BOTH_VIEWS, WITH_CHANNEL)
    orders.run(after, lake).expect(EXIT_OK)
    replayed = after.run("quarantine", "replay", after.pipeline, "--json", "--lake", lake).expect(EXIT_OK).json()
    assert replayed["replayed"] == 30
    again = after.run("quarantine", "replay", after.pipeline, "--json", "--lake", lake).expect(EXIT_OK).json()
    assert again["replayed"] == 0
    orders.run(after, lake).expect(EXIT_OK)
    rows = {row["id"]: row["channel"] for row in orders.read(lake / BRONZE)}
    assert rows == {number: None if number < 50 else channel(number) for number in range(100)}
    orders.assert_view(lake, CHANNELS, "per_channel")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({**orders.FIELDS, "amount": "DECIMAL(14,2) required"}, ("amount", "DECIMAL(12,2)", "DECIMAL(14,2)", "typeWidening")),
        ({**orders.FIELDS, "country": "BIGINT"}, ("country", "VARCHAR", "BIGINT", "typeWidening")),
        ({**orders.FIELDS, "channel": "VARCHAR required"}, ("channel", "required")),
        ({**orders.FIELDS, "country": "VARCHAR required"}, ("country", "required")),
        ({name: kind for name, kind in orders.FIELDS.items() if name != "country"}, ("country", "keep country")),
        (dict(reversed(orders.FIELDS.items())), ("order of the columns",)),
    ],
    ids=["wider_decimal", "other_type", "new_required", "now_required", "removed", "other_order"],
)
def test_what_delta_does_not_allow_is_refused_with_the_difference_and_the_way_out(program, lake, tmp_path, fields, said):
    sold = orders.Orders(tmp_path, 12)
    sold.write(50)
    views = {"all": ("SELECT count(*) AS orders FROM bronze.orders", [])}
    before = sold.pipeline(program, views)
    orders.run(before, lake).expect(EXIT_OK)
    version = orders.newest(lake)
    sold.write(50)
    done = orders.run(sold.pipeline(program, views, fields), lake)
    assert done.code == EXIT_CONFIGURATION and "lake.schema_differs" in done.stderr, done
    assert all(part in done.stderr for part in said) and "fix:" in done.stderr, done
    assert orders.newest(lake) == version
    orders.run(before, lake).expect(EXIT_OK)
    assert len(orders.read(lake / BRONZE)) == 100


def test_a_field_that_may_be_missing_from_now_on_is_accepted(program, lake, tmp_path):
    sold = orders.Orders(tmp_path, 13)
    sold.write(50)
    orders.run(sold.pipeline(program), lake).expect(EXIT_OK)
    sold.raw(f'{{"id": {sold.count}, "at": "2026-03-04T00:00:01Z", "country": "fr"}}')
    orders.run(sold.pipeline(program, fields={**orders.FIELDS, "amount": "DECIMAL(12,2)"}), lake).expect(EXIT_OK)
    assert [row["amount"] for row in orders.read(lake / BRONZE) if row["id"] == 50] == [None]
    assert [commit.info["operation"] for commit in definitions(lake)] == ["CREATE TABLE", "CHANGE COLUMNS"]


def test_a_process_with_the_old_file_stops_before_its_next_commit(program, lake, tmp_path):
    """Never NULLs over values that it does not know. It runs where the lock does not reach."""
    sold = orders.Orders(tmp_path, 14)
    sold.write(100)
    before = sold.pipeline(program)
    with before.start("run", before.pipeline, "--lake", lake, "--only", "bronze", env=LOCKLESS) as old:
        old.wait_until(lambda: orders.count(lake) == 100, 20, "the first events")
        after = sold.pipeline(program, BOTH_VIEWS, WITH_CHANNEL)
        orders.run(after, lake, "--until", "caught-up", env=LOCKLESS).expect(EXIT_OK)
        sold.write(100, channel=channel)
        done = old.wait(20)
    assert done.code == EXIT_DATA_LOSS and "lake.metadata_moved" in done.stderr and "channel" in done.stderr, done
    # Nor does its next start.
    done = orders.run(before, lake)
    assert done.code in (EXIT_DATA_LOSS, EXIT_CONFIGURATION) and "channel" in done.stderr, done
    orders.run(after, lake).expect(EXIT_OK)
    rows = {row["id"]: row["channel"] for row in orders.read(lake / BRONZE)}
    assert rows == {number: None if number < 100 else channel(number) for number in range(200)}
    orders.assert_view(lake, CHANNELS, "per_channel")


def test_a_process_that_may_not_run_changes_no_table(program, lake, tmp_path):
    sold = orders.Orders(tmp_path, 15)
    sold.write(50)
    before = sold.pipeline(program)
    with before.start("run", before.pipeline, "--lake", lake) as old:
        old.wait_until(lambda: orders.count(lake) == 50, 20, "the first events")
        done = orders.run(sold.pipeline(program, BOTH_VIEWS, WITH_CHANNEL), lake)
        assert done.code not in (EXIT_OK, -signal.SIGKILL) and "already running" in done.stderr, done
        assert len(definitions(lake)) == 1
        sold.write(50)
        old.wait_until(lambda: len(orders.read(lake / BRONZE)) == 100, 20, "more events")
        old.signal(signal.SIGTERM)
        old.wait(10).expect(EXIT_OK)


def test_two_starts_at_once_add_the_column_once(program, lake, tmp_path):
    sold = orders.Orders(tmp_path, 16)
    sold.write(100)
    orders.run(sold.pipeline(program), lake).expect(EXIT_OK)
    after = sold.pipeline(program, BOTH_VIEWS, WITH_CHANNEL)
    sold.write(300, channel=channel)
    arguments = ("run", after.pipeline, "--lake", lake, "--until", "caught-up")
    with after.start(*arguments, env=LOCKLESS) as one, after.start(*arguments, env=LOCKLESS) as other:
        codes = [one.wait(30).code, other.wait(30).code]
    # One of them may have been told that the other took the file over.
    assert EXIT_OK in codes and set(codes) <= {EXIT_OK, EXIT_DATA_LOSS}, codes
    assert len(definitions(lake)) == 2
    rows = {row["id"]: row["channel"] for row in orders.read(lake / BRONZE)}
    assert rows == {number: None if number < 100 else channel(number) for number in range(400)}
    assert len(orders.read(lake / BRONZE)) == 400


@pytest.mark.parametrize("point", [f"{point}:{n}" for point in POINTS for n in (1, 2)] + ["lake.before_commit_link:1", "lake.after_commit_link:1"])
def test_a_death_while_columns_are_added_leaves_tables_that_the_next_start_goes_on_with(program, lake, tmp_path, point):
    sold = orders.Orders(tmp_path, 17)
    sold.write(100)
    late_and_broken(sold)
    orders.run(sold.pipeline(program, late=DIVERT), lake).expect(EXIT_OK)
    sold.write(100, channel=channel)
    after = sold.pipeline(program, BOTH_VIEWS, WITH_CHANNEL, DIVERT)
    assert orders.run(after, lake, "--until", "caught-up", env={"INLET_KILL_AT": point}).code == -signal.SIGKILL
    orders.run(after, lake).expect(EXIT_OK)
    assert len(definitions(lake)) == len(definitions(lake, orders.LATE)) == 2
    rows = {row["id"]: row["channel"] for row in orders.read(lake / BRONZE)}
    assert rows == {number: None if number < 100 else channel(number) for number in [*range(100), *range(103, 203)]}
    orders.assert_view(lake, CHANNELS, "per_channel")


def test_views_alone_take_a_column_that_is_still_to_come_for_null(program, lake, tmp_path):
    sold = orders.Orders(tmp_path, 18)
    sold.write(100)
    orders.run(sold.pipeline(program), lake, "--only", "bronze", "--until", "caught-up").expect(EXIT_OK)
    after = sold.pipeline(program, BOTH_VIEWS, WITH_CHANNEL)
    sold.write(100, channel=channel)
    with after.start("run", after.pipeline, "--lake", lake, "--only", "views") as views:
        views.wait_until(lambda: orders.reflects(lake, "per_channel") == orders.newest(lake), 20, "the views of what is there")
        orders.assert_view(lake, CHANNELS, "per_channel")
        orders.run(after, lake, "--only", "bronze", "--until", "caught-up").expect(EXIT_OK)
        assert len(orders.read(lake / BRONZE)) == 200
        views.wait_until(lambda: orders.reflects(lake, "per_channel") == orders.newest(lake), 20, "the views of what came")
        views.signal(signal.SIGTERM)
        done = views.wait(10).expect(EXIT_OK)
    assert "takes rows out" not in done.stderr
    orders.assert_view(lake, CHANNELS, "per_channel")
    orders.verify(after, lake)


def test_a_late_table_of_before_gets_the_column_though_nothing_is_diverted_any_more(program, lake, tmp_path):
    sold = orders.Orders(tmp_path, 19)
    sold.write(100)
    late_and_broken(sold)
    orders.run(sold.pipeline(program, late=DIVERT), lake).expect(EXIT_OK)
    sold.write(50, channel=channel)
    orders.run(sold.pipeline(program, BOTH_VIEWS, WITH_CHANNEL), lake).expect(EXIT_OK)
    assert len(orders.read(lake / BRONZE)) == 150 and "channel" in orders.columns(lake / orders.LATE)
