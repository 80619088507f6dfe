"""The Grafana dashboard, the alert rules and the table of docs/live.md, against what a running pipeline exports."""

from __future__ import annotations

import json
import re

import pytest

import live
import promql
import shop
from program import ROOT, Program, sets

GRAFANA = ROOT / "docs" / "grafana-dashboard.json"
ALERTS = ROOT / "docs" / "prometheus-alerts.yml"
MANUAL = ROOT / "docs" / "live.md"

ADDED_BY_PROMETHEUS = {"job", "instance"}

# ---- the files ----


def grafana() -> dict:
    return json.loads(GRAFANA.read_text())


def grafana_queries() -> list[tuple[str, str]]:
    """Expression and legend of everything the dashboard asks."""
    dashboard = grafana()
    found = [(target["expr"], target["legendFormat"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
    found += [(v["query"]["query"], "") for v in dashboard["templating"]["list"] if v["type"] == "query"]
    return found


def alerts() -> list[dict[str, str]]:
    """The rules, read without a YAML library: the file keeps to scalars, folded and literal blocks."""
    rules: list[dict[str, str]] = []
    key, depth = "", 0
    for line in ALERTS.read_text().splitlines():
        if re.match(r"\s*(#|$)", line):
            continue
        indent = len(line) - len(line.lstrip())
        match = re.match(r"\s*(- )?(\w+):\s*(.*)", line)
        if key and indent > depth:
            rules[-1][key] += " " + line.strip()
        elif match:
            key, depth = "", indent
            if match[1] and match[2] == "alert":
                rules.append({})
            if rules and (match[2] == "alert" or match[3]):
                block = match[3] in ("|-", ">-", "|", ">")
                key, depth = (match[2], indent) if block else ("", indent)
                rules[-1][match[2]] = "" if block else match[3].strip('"')
    return rules


def expressions() -> list[str]:
    return [expr for expr, _ in grafana_queries()] + [rule["expr"] for rule in alerts()]


def documented() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of each metric in the table of docs/live.md."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*)\|", MANUAL.read_text(), re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows}), "a metric stands in the table twice"
    return {name: (kind, set(labels.replace(",", " ").split())) for name, kind, labels in rows}


def family_of(name: str, known) -> str:
    """The family a name in an expression belongs to."""
    if name not in known and (match := re.fullmatch(r"(\w+)_(bucket|sum|count)", name)) and match[1] in known:
        return match[1]
    return name


# ---- a run that has something to say of everything ----


@pytest.fixture(scope="module")
def exported(binary, tmp_path_factory) -> live.Metrics:
    """Sales good, broken and late from a file, three views, an expectation, and requests of every kind answered."""
    directory = tmp_path_factory.mktemp("metrics")
    sales = shop.Shop(directory / "sales.jsonl")
    sales.fill()
    program = Program(binary, directory / "processes", shop.write_pipeline(directory))
    started = live.start(program, directory / "lake", *sets(f"source.file.path={directory / 'sales.jsonl'}"))
    with started.running:

        def has_all() -> live.Metrics | None:
            started.ask("/api/v1/panels/overview")
            metrics = started.metrics()
            late = {"inlet_view_publish_duration_seconds_count", "inlet_freshness_seconds", "inlet_table_rows", "inlet_partition_lag"}
            return metrics if metrics.samples.keys() >= late else None

        return started.wait_for(has_all, 30, "every view published")


def labels_of(metrics: live.Metrics, family: str) -> set[str]:
    """Of every sample of the family, `le` of a histogram's buckets too."""
    return {
        label
        for name, series in metrics.samples.items()
        if family_of(name, metrics.types) == family
        for key in series
        for label, _ in key
    }


def test_every_expression_names_only_what_is_exported(exported):
    wrong = []
    for expression in expressions():
        found = promql.names(expression)
        offered = set(ADDED_BY_PROMETHEUS)
        for metric, labels in found.selectors:
            family = family_of(metric, exported.types)
            if metric not in exported.samples and family not in exported.types:
                wrong.append(f"{metric} is not exported: {expression}")
                continue
            has = labels_of(exported, family)
            if not has:
                wrong.append(f"{metric} had no sample to be compared with: {expression}")
            elif labels - has - ADDED_BY_PROMETHEUS:
                wrong.append(f"{metric} has no label {labels - has}: {expression}")
            elif metric != family and exported.types.get(family) != "histogram":
                wrong.append(f"{family} is no histogram: {expression}")
            offered |= has
        if found.grouping - offered:
            wrong.append(f"no metric there has the label {found.grouping - offered}: {expression}")
    assert not wrong, "\n".join(wrong)


def test_counters_are_asked_for_their_rate_and_gauges_are_not(exported):
    """The rate of a gauge, or a counter as it stands, is a graph that means nothing."""
    wrong = []
    for expression in expressions():
        rated = set(re.findall(r"\b(?:rate|increase|irate)\((\w+)", expression))
        for metric in promql.names(expression).metrics():
            family = family_of(metric, exported.types)
            counts = exported.types.get(family) in ("counter", "histogram")
            if counts != (metric in rated):
                wrong.append(f"{metric}, a {exported.types.get(family)}: {expression}")
    assert not wrong, "\n".join(wrong)


def test_the_table_of_the_manual_is_what_is_exported(exported):
    rows = documented()
    assert {name: kind for name, (kind, _) in rows.items()} == exported.types
    found = {name: labels_of(exported, name) - {"pipeline", "le"} for name in rows}
    assert found == {name: labels for name, (_, labels) in rows.items()}


def test_everything_exported_is_on_the_dashboard(exported):
    shown = {family_of(name, exported.types) for expr, _ in grafana_queries() for name in promql.names(expr).metrics()}
    assert exported.types.keys() - shown == set()


def test_legends_name_labels_that_the_result_has():
    for expression, legend in grafana_queries():
        wanted = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", legend))
        found = promql.names(expression)
        if re.match(r"(60 \* |1e6 \* |histogram_quantile\([\d.]+, )?(sum|max) ", expression) and " by " in expression:
            assert wanted <= found.grouping, expression
        elif wanted:
            metric = found.selectors[0][0]
            assert wanted <= documented()[metric][1], expression


def test_the_dashboard_can_be_imported_beside_others():
    dashboard = grafana()
    assert dashboard["uid"] and dashboard["title"] and dashboard["schemaVersion"] >= 36
    assert "id" not in dashboard, "an id belongs to one Grafana"
    variables = {variable["name"]: variable["type"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource": "datasource", "pipeline": "query"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert [p["title"] for p in dashboard["panels"] if p["type"] == "row"] == ["Flow", "Views", "Tables", "Process", "HTTP", "Maintenance"]
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
            for selector in re.findall(r"\w+\{([^}]*)\}", target["expr"]):
                assert 'pipeline="$pipeline"' in selector, target["expr"]


def test_every_alert_says_what_it_means_and_what_to_do():
    rules = alerts()
    assert len(rules) >= 10 and len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["alert"].startswith("Inlet"), rule
        assert re.fullmatch(r"\{severity: (info|warning|critical)\}", rule["labels"]), rule
        assert len(rule["summary"]) > 20 and len(rule["description"]) > 60, rule
        for value in re.findall(r"\$labels\.(\w+)", rule["summary"] + rule["description"]):
            assert value in promql.names(rule["expr"]).grouping | {"pipeline", "table"}, rule


@pytest.mark.parametrize(
    "expression",
    ["sum(", "rate(x[5])", "nosuch(x)", "x{a}", 'x{a="b"', "{a=\"b\"}", "sum by x", "x ; y", "x))"],
)
def test_what_is_no_expression_is_refused(expression):
    with pytest.raises(promql.Unreadable):
        promql.names(expression)
