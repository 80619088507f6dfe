"""As much of PromQL as tells which metrics and labels an expression names. Not a parser: what it cannot place is an error."""

from __future__ import annotations

import dataclasses
import re

TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
      | (?P<range>\[[^\]]*\])
      | (?P<variable>\$\{?\w+\}?)
      | (?P<number>0x[0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:ms|[smhdwy])?)
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<operator>=~|!~|!=|==|>=|<=|[-+*/%^<>=@(){},])""",
    re.VERBOSE,
)
RANGE = re.compile(r"(?:\$__rate_interval|\$__interval|(?:\d+(?:ms|[smhdwy]))+)(?::(?:\d+(?:ms|[smhdwy]))*)?")

AGGREGATIONS = {"sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "stddev", "stdvar", "group", "count_values"}
FUNCTIONS = {
    *("abs", "absent", "absent_over_time", "avg_over_time", "ceil", "changes", "clamp", "clamp_max", "clamp_min"),
    *("count_over_time", "delta", "deriv", "exp", "floor", "histogram_quantile", "idelta", "increase", "irate"),
    *("label_join", "label_replace", "last_over_time", "ln", "max_over_time", "min_over_time", "predict_linear", "rate"),
    *("resets", "round", "scalar", "sort", "sort_desc", "sum_over_time", "time", "timestamp", "vector"),
    "label_values",  # Grafana's, in the query of a variable
}
LABEL_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}


@dataclasses.dataclass
class Names:
    """What an expression names."""

    selectors: list[tuple[str, set[str]]]  # a metric, and the labels it is selected by
    grouping: set[str]  # labels in by (…), on (…) and the like

    def metrics(self) -> set[str]:
        return {metric for metric, _ in self.selectors}


class Unreadable(Exception):
    pass


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise Unreadable(f"{text[at:at + 30]!r} in {text!r}")
        kind = match.lastgroup
        if kind == "range" and not RANGE.fullmatch(match[0][1:-1]):
            raise Unreadable(f"{match[0]} in {text!r}")
        if kind != "space":
            found.append((kind, match[0]))
        at = match.end()
    return found


def names(text: str) -> Names:
    tokens = _tokens(text)
    result = Names([], set())
    depth = 0
    at = 0

    def peek(ahead: int = 0) -> str:
        return tokens[at + ahead][1] if at + ahead < len(tokens) else ""

    def take(wanted: str | None = None) -> str:
        nonlocal at
        if at == len(tokens) or (wanted is not None and tokens[at][1] != wanted):
            raise Unreadable(f"expected {wanted or 'more'}, found {peek() or 'the end'} in {text!r}")
        at += 1
        return tokens[at - 1][1]

    def take_label() -> str:
        if at == len(tokens) or tokens[at][0] != "name":
            raise Unreadable(f"{peek()!r} is no label in {text!r}")
        return take()

    def label_list() -> None:
        take("(")
        while peek() != ")":
            result.grouping.add(take_label())
            if peek() != ")":
                take(",")
        take(")")

    def matchers() -> set[str]:
        labels = set()
        take("{")
        while peek() != "}":
            labels.add(take_label())
            if take() not in ("=", "!=", "=~", "!~") or tokens[at][0] != "string":
                raise Unreadable(f"no matcher in {text!r}")
            take()
            if peek() != "}":
                take(",")
        take("}")
        return labels

    while at < len(tokens):
        kind, word = tokens[at]
        take()
        if kind == "name":
            if word == "label_values":
                take("(")
                metric = take_label()
                result.selectors.append((metric, matchers() if peek() == "{" else set()))
                take(",")
                result.grouping.add(take_label())
                take(")")
            elif word in LABEL_LISTS:
                if peek() == "(":
                    label_list()
                elif not word.startswith("group_"):
                    raise Unreadable(f"{word} without labels in {text!r}")
            elif word in AGGREGATIONS and peek() in ("(", "by", "without"):
                pass
            elif peek() == "(":
                if word not in FUNCTIONS:
                    raise Unreadable(f"no function {word} in {text!r}")
            elif word.lower() not in WORDS:
                result.selectors.append((word, matchers() if peek() == "{" else set()))
        elif word == "{":
            raise Unreadable(f"a selector without a metric in {text!r}")
        elif word in "()":
            depth += 1 if word == "(" else -1
            if depth < 0:
                raise Unreadable(f"a parenthesis too many in {text!r}")
    if depth:
        raise Unreadable(f"a parenthesis is open in {text!r}")
    return result
