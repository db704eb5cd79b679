"""Prometheus's text format, read with the parser of prometheus-client."""

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from chatservice.grammar import prometheus

ANY = st.text(st.characters(exclude_categories=["Cs"]))


def read(*families):
    """Return the metrics that a parser finds in the encoded families."""
    return list(text_string_to_metric_families(prometheus.encode(families).decode()))


@given(st.dictionaries(ANY, st.integers(0, 1 << 53) | st.floats(-1e300, 1e300)))
def test_any_label_and_number_comes_back(values):
    """Quotes, backslashes and line ends among them."""
    found = read(prometheus.labelled("a_b", "gauge", "Help.", "code", values.items()))
    assert [it.type for it in found] == ["gauge"]
    assert {it.labels["code"]: it.value for it in found[0].samples} == values


def test_a_histogram_comes_back():
    """Its buckets, the last of which has no bound, its sum and its number."""
    (found,) = read(prometheus.histogram("t", r"A \ help.", (0.5, 1.0), (2, 3, 4), 6.5))
    assert (found.type, found.documentation) == ("histogram", r"A \ help.")
    buckets = {float(it.labels["le"]): it.value for it in found.samples if "le" in it.labels}
    assert buckets == {0.5: 2, 1.0: 3, math.inf: 4}
    assert [(it.name, it.value) for it in found.samples[3:]] == [("t_sum", 6.5), ("t_count", 4)]
