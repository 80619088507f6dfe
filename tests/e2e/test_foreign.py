"""Foreign hands: another writer is at the tables, while a run goes on and while none does.

The other writer is delta-rs, or the log written by hand where delta-rs has no way to do it. Judged by delta-rs reading
bronze and plain arithmetic over it: the views are what their SQL says of the rows there are now, or the run has stopped
and said why.
"""

from __future__ import annotations

import datetime
import decimal
import json
import shutil
import signal
import time

import deltalake
import pyarrow
import pytest

import delta_log
import orders
from orders import BRONZE, VIEW
from program import EXIT_CONFIGURATION, EXIT_DATA_LOSS, EXIT_OK

KEYS = ("country", "day", "orders", "revenue", "largest")
VIEWS = {
    "per_country": (orders.select(*KEYS), ["day"]),
    "totals": (orders.select("country", "orders", "first"), []),
    "large": ("SELECT id, country, amount FROM bronze.orders WHERE amount > 300", []),
}
APPENDED = 1_000_000  # ids of rows that the other writer appends begin here


def assert_views(lake) -> None:
    orders.assert_view(lake, KEYS)
    orders.assert_view(lake, ("country", "orders", "first"), "totals")
    expected = sorted((r["id"], str(r["country"]), r["amount"]) for r in orders.read(lake / BRONZE) if r["amount"] > 300)
    assert sorted((r["id"], str(r["country"]), r["amount"]) for r in orders.read(lake / "silver" / "large")) == expected


def open_table(lake, table: str = BRONZE) -> deltalake.DeltaTable:
    return deltalake.DeltaTable(str(lake / table))


def some_rows(table: deltalake.DeltaTable, count: int = 20) -> pyarrow.Table:
    """Rows of nobody's source, in the columns of bronze."""
    rows = [
        {
            "id": APPENDED + n,
            "at": orders.FIRST + datetime.timedelta(hours=3 * n),
            "country": ["de", "fr"][n % 2],
            "amount": decimal.Decimal(n * 100 + 50).scaleb(-2) * 7,
            "day": (orders.FIRST + datetime.timedelta(hours=3 * n)).date().isoformat(),
            "_source": "by hand",
            "_partition": 0,
            "_offset": n,
            "_kafka_timestamp": None,
            "date_ingestion": orders.FIRST,
        }
        for n in range(count)
    ]
    return pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(table.schema().to_arrow()))


# --- what a foreign writer may do: its name, what it does, which events are gone afterwards ---


def append(lake) -> None:
    deltalake.write_deltalake(open_table(lake), some_rows(open_table(lake)), mode="append")


def compact(lake) -> None:
    open_table(lake).optimize.compact()


def z_order(lake) -> None:
    open_table(lake).optimize.z_order(["id"])


def compact_and_vacuum(lake) -> None:
    open_table(lake).optimize.compact()
    open_table(lake).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


def delete(lake) -> None:
    open_table(lake).delete("id < 40")


def delete_all(lake) -> None:
    open_table(lake).delete()


def update(lake) -> None:
    open_table(lake).update(predicate="id < 60", updates={"amount": "1000.00", "country": "'zz'"})


def overwrite(lake) -> None:
    deltalake.write_deltalake(open_table(lake), some_rows(open_table(lake), 5), mode="overwrite")


def merge(lake) -> None:
    table = open_table(lake)
    source = some_rows(table, 10)
    ids = pyarrow.array([n if n % 2 else APPENDED + n for n in range(10)], pyarrow.int64())
    source = source.set_column(source.column_names.index("id"), source.schema.field("id"), ids)
    (
        table.merge(source, "t.id = s.id", source_alias="s", target_alias="t")
        .when_matched_update({"amount": "s.amount"})
        .when_not_matched_insert_all()
        .execute()
    )


def go_back(lake) -> None:
    open_table(lake).restore(2)


def set_properties(lake) -> None:
    open_table(lake).alter.set_table_properties({"delta.logRetentionDuration": "interval 7 days", "delta.checkpointInterval": "7"})


def make_checkpoint(lake) -> None:
    open_table(lake).create_checkpoint()
    open_table(lake).cleanup_metadata()


def change_a_views_table(lake) -> None:
    open_table(lake, VIEW).delete("orders > 1")
    rows = open_table(lake, "silver/large").to_pyarrow_table()
    deltalake.write_deltalake(open_table(lake, "silver/large"), rows.slice(0, 5), mode="append")
    open_table(lake, "silver/totals").optimize.compact()


HARMLESS = [append, compact, z_order, compact_and_vacuum, set_properties, make_checkpoint, change_a_views_table]
TAKING = [delete, delete_all, update, overwrite, merge, go_back]


def do(action, lake) -> None:
    """Again where a commit of the run came between: delta-rs tells its caller so."""
    for attempt in range(20):
        try:
            return action(lake)
        except (deltalake.exceptions.CommitFailedError, deltalake.exceptions.DeltaError):
            if attempt == 19:
                raise
            time.sleep(0.05)
    return None


def assert_events(lake, total: int, action) -> None:
    """Each event of the source once, but for those that the other writer may have taken out."""
    ids = [row["id"] for row in orders.read(lake / BRONZE) if row["id"] < APPENDED]
    assert len(ids) == len(set(ids))
    if action in HARMLESS or action in (update, merge):
        assert sorted(ids) == list(range(total))
    assert set(range(total - 50, total)) <= set(ids), "events that came after the foreign commit"


@pytest.mark.parametrize("action", HARMLESS + TAKING, ids=lambda action: action.__name__)
def test_while_none_runs(program, lake, tmp_path, action):
    sold = orders.Orders(tmp_path, 20)
    pipeline = sold.pipeline(program, VIEWS)
    for _ in range(3):
        sold.write(60)
        orders.run(pipeline, lake).expect(EXIT_OK)
    do(action, lake)
    if action is not change_a_views_table:
        orders.run(pipeline, lake).expect(EXIT_OK)  # without one new event
        assert_views(lake)
    sold.write(60)
    orders.run(pipeline, lake).expect(EXIT_OK)
    assert_views(lake)
    assert_events(lake, 240, action)
    orders.verify(pipeline, lake)


@pytest.mark.parametrize("action", HARMLESS + TAKING, ids=lambda action: action.__name__)
def test_while_a_run_goes_on(program, lake, tmp_path, action):
    sold = orders.Orders(tmp_path, 21)
    pipeline = sold.pipeline(program, VIEWS)
    sold.write(60)
    with pipeline.start("run", pipeline.pipeline, "--lake", lake) as running:
        running.wait_until(lambda: orders.count(lake) > 0 and orders.reflects(lake) is not None, 20, "the first events")
        running.wait_until(lambda: orders.count(lake, "silver/large") > 0, 20, "every view")
        for _ in range(3):
            sold.write(60)
            do(action, lake)
            time.sleep(0.15)
        sold.write(60)
        last = sold.count - 1
        running.wait_until(lambda: last in {row["id"] for row in orders.read(lake / BRONZE)}, 20, "the last event")
        running.wait_until(lambda: orders.reflects(lake) == orders.newest(lake), 20, "the views of it")
        running.signal(signal.SIGTERM)
        running.wait(15).expect(EXIT_OK)
    assert_views(lake)
    assert_events(lake, 300, action)
    orders.verify(pipeline, lake)


# --- what stops a run ---


def write_commit(lake, *actions: dict, table: str = BRONZE) -> None:
    """A commit of actions, as a writer that knows more of Delta would leave it."""
    version = delta_log.version(lake / table) + 1
    lines = [{"commitInfo": {"timestamp": int(time.time() * 1000), "operation": "WRITE"}}, *actions]
    path = lake / table / "_delta_log" / f"{version:020d}.json"
    with path.open("x") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))


def metadata(lake, **changes) -> dict:
    newest = [commit.metadata for commit in delta_log.read(lake / BRONZE) if commit.metadata][-1]
    return {"metaData": newest | changes}


def add_column(lake) -> None:
    field = deltalake.Field("channel", deltalake.schema.PrimitiveType("string"), nullable=True)
    open_table(lake).alter.add_columns([field])


def append_with_a_new_column(lake) -> None:
    rows = some_rows(open_table(lake), 5)
    rows = rows.append_column("channel", pyarrow.array(["x"] * 5))
    deltalake.write_deltalake(open_table(lake), rows, mode="append", schema_mode="merge")


def overwrite_with_another_type(lake) -> None:
    rows = some_rows(open_table(lake), 5)
    at = rows.column_names.index("amount")
    rows = rows.set_column(at, "amount", rows["amount"].cast(pyarrow.float64()))
    deltalake.write_deltalake(open_table(lake), rows, mode="overwrite", schema_mode="overwrite")


def overwrite_without_a_column(lake) -> None:
    rows = some_rows(open_table(lake), 5).drop_columns(["country"])
    deltalake.write_deltalake(open_table(lake), rows, mode="overwrite", schema_mode="overwrite")


def add_constraint(lake) -> None:
    open_table(lake).alter.add_constraint({"positive": "amount >= 0"})


def add_a_feature_of_the_future(lake) -> None:
    features = {"readerFeatures": ["someFutureFeature"], "writerFeatures": ["someFutureFeature"]}
    write_commit(lake, {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}})


def map_columns(lake) -> None:
    features = {"readerFeatures": ["columnMapping"], "writerFeatures": ["columnMapping"]}
    schema = json.loads(metadata(lake)["metaData"]["schemaString"])
    for number, field in enumerate(schema["fields"]):
        field["metadata"] = {"delta.columnMapping.id": number + 1, "delta.columnMapping.physicalName": field["name"]}
    configuration = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": str(len(schema["fields"]))}
    write_commit(
        lake,
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        metadata(lake, schemaString=json.dumps(schema), configuration=configuration),
    )


def enable_deletion_vectors(lake) -> None:
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    write_commit(
        lake,
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        metadata(lake, configuration={"delta.enableDeletionVectors": "true"}),
    )


def expire_transactions(lake) -> None:
    write_commit(lake, metadata(lake, configuration={"delta.setTransactionRetentionDuration": "interval 1 day"}))


STOPPING = {
    add_column: "channel",
    append_with_a_new_column: "channel",
    overwrite_with_another_type: "amount",
    overwrite_without_a_column: "country",
    add_constraint: "checkConstraints",
    add_a_feature_of_the_future: "someFutureFeature",
    map_columns: "columnMapping",
    enable_deletion_vectors: "deletionVectors",
    expire_transactions: "delta.setTransactionRetentionDuration",
}


@pytest.mark.parametrize("action", STOPPING, ids=lambda action: action.__name__)
def test_a_change_that_no_configuration_covers_stops_the_run_with_the_reason(program, lake, tmp_path, action):
    sold = orders.Orders(tmp_path, 22)
    pipeline = sold.pipeline(program, VIEWS)
    sold.write(100)
    with pipeline.start("run", pipeline.pipeline, "--lake", lake) as running:
        running.wait_until(lambda: orders.count(lake) == 100 and orders.count(lake, "silver/large") > 0, 20, "the first events")
        do(action, lake)
        version = delta_log.version(lake / BRONZE)
        sold.write(50)
        done = running.wait(20)
    assert done.code == EXIT_DATA_LOSS and STOPPING[action] in done.stderr, done
    assert delta_log.version(lake / BRONZE) == version, "something was committed to a table that is not known any more"
    if action is overwrite_without_a_column:
        # To the next start the field is one that the table has not got yet: it is added, and NULL in the rows there are.
        orders.run(pipeline, lake).expect(EXIT_OK)
        assert_views(lake)
        return
    # Nor does the next start, whatever it is to do.
    for only in ((), ("--only", "bronze")):
        done = orders.run(pipeline, lake, "--until", "caught-up", *only)
        assert done.code in (EXIT_CONFIGURATION, EXIT_DATA_LOSS) and STOPPING[action] in done.stderr, done
    assert delta_log.version(lake / BRONZE) == version


@pytest.mark.parametrize("action", [a for a in STOPPING if a not in (add_column, append_with_a_new_column)], ids=lambda action: action.__name__)
def test_it_stops_a_process_that_keeps_views_alone_too(program, lake, tmp_path, action):
    sold = orders.Orders(tmp_path, 23)
    pipeline = sold.pipeline(program, VIEWS)
    sold.write(100)
    orders.run(pipeline, lake).expect(EXIT_OK)
    with pipeline.start("run", pipeline.pipeline, "--lake", lake, "--only", "views") as running:
        lock = lake / "_inlet" / "orders.views.lock"
        running.wait_until(lambda: str(running.pid) in lock.read_text(), 20, "the keeper")
        time.sleep(0.3)
        tables = {view: orders.newest(lake, f"silver/{view}") for view in VIEWS}
        do(action, lake)
        done = running.wait(20)
    assert done.code == EXIT_DATA_LOSS and STOPPING[action] in done.stderr, done
    assert done.stderr.count("has stopped") == len(VIEWS), done
    assert {view: orders.newest(lake, f"silver/{view}") for view in VIEWS} == tables


@pytest.mark.parametrize("where", ["a_run", "views_alone", "the_next_start"])
def test_a_deletion_vector_is_refused_by_name_and_no_row_is_shown_that_is_deleted(program, lake, tmp_path, where):
    """The table says that it may have them, and a file comes to have one: whole files would show deleted rows."""
    sold = orders.Orders(tmp_path, 24)
    pipeline = sold.pipeline(program, VIEWS)
    sold.write(100)
    orders.run(pipeline, lake).expect(EXIT_OK)

    def delete_by_vector():
        path, live = next(iter(delta_log.files_at(lake / BRONZE, delta_log.version(lake / BRONZE)).items()))
        vector = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 1, "sizeInBytes": 34, "cardinality": 2}
        common = {"path": path, "partitionValues": live.partition_values, "size": live.size, "dataChange": True}
        features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
        statistics = json.dumps({"numRecords": live.statistics["numRecords"]})
        write_commit(
            lake,
            {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
            {"remove": common | {"deletionTimestamp": int(time.time() * 1000)}},
            {"add": common | {"modificationTime": 1, "stats": statistics, "deletionVector": vector}},
        )

    if where == "the_next_start":
        delete_by_vector()
        done = orders.run(pipeline, lake, "--only", "views", "--until", "caught-up")
    else:
        only = ("--only", "views") if where == "views_alone" else ()
        with pipeline.start("run", pipeline.pipeline, "--lake", lake, *only) as running:
            lock = lake / "_inlet" / "orders.views.lock"
            running.wait_until(lambda: str(running.pid) in lock.read_text(), 20, "the keeper")
            time.sleep(0.3)
            delete_by_vector()
            if where == "a_run":
                running.wait_until(lambda: running.stderr().count("has stopped") == len(VIEWS), 20, "views that stop")
                running.signal(signal.SIGTERM)
            done = running.wait(20)
    assert done.code == EXIT_DATA_LOSS and "deletion vector" in done.stderr, done
    asked = pipeline.run("query", pipeline.pipeline, "SELECT count(*) FROM bronze.orders", "--lake", lake)
    assert asked.code != EXIT_OK and "deletion vector" in asked.stderr, asked
    orders.verify(pipeline, lake)  # of the version before, which the views still show


def test_a_views_table_that_is_altered_stops_that_view_and_no_other(program, lake, tmp_path):
    sold = orders.Orders(tmp_path, 25)
    pipeline = sold.pipeline(program, VIEWS)
    sold.write(100)
    with pipeline.start("run", pipeline.pipeline, "--lake", lake) as running:
        running.wait_until(lambda: orders.count(lake, "silver/large") > 0 and orders.count(lake, VIEW) > 0, 20, "the views")
        field = deltalake.Field("note", deltalake.schema.PrimitiveType("string"), nullable=True)
        open_table(lake, VIEW).alter.add_columns([field])
        sold.write(100)
        running.wait_until(lambda: orders.count(lake) == 200 and "has stopped" in running.stderr(), 20, "a view that stops")
        running.wait_until(lambda: orders.reflects(lake, "totals") == orders.newest(lake), 20, "the others")
        running.signal(signal.SIGTERM)
        done = running.wait(15)
    assert done.code == EXIT_DATA_LOSS and "note" in done.stderr and done.stderr.count("has stopped") == 1, done
    # Its own table: the next start makes it what the view is.
    orders.run(pipeline, lake).expect(EXIT_OK)
    assert_views(lake)


def test_a_bronze_table_that_was_made_anew_is_built_upon_anew(program, lake, tmp_path):
    sold = orders.Orders(tmp_path, 26)
    pipeline = sold.pipeline(program, VIEWS)
    sold.write(120)
    orders.run(pipeline, lake).expect(EXIT_OK)
    shutil.rmtree(lake / BRONZE)
    orders.run(pipeline, lake).expect(EXIT_OK)
    assert orders.count(lake) == 120
    assert_views(lake)
