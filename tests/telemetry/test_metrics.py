# SPDX-License-Identifier: Apache-2.0
"""The metrics as Prometheus reads them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from estiva import __version__
from estiva.telemetry.families import FAMILIES
from estiva.telemetry.metrics import Metrics, StorageFault


@pytest.fixture
def metrics():
    return Metrics()


def read(metrics):
    """Return sample values by name and labels."""
    body, _ = metrics.render()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_endpoint_method_and_status(metrics):
    metrics.answered("manifest", "GET", 200, 0.002)
    metrics.answered("manifest", "GET", 200, 0.002)
    metrics.answered("manifest", "PUT", 201, 0.002)
    samples = read(metrics)
    assert samples["estiva_requests_total", "manifest", "GET", "200"] == 2
    assert samples["estiva_requests_total", "manifest", "PUT", "201"] == 1


def test_methods_that_clients_make_up_count_as_one(metrics):
    metrics.answered("unknown", "BREW", 405, 0.1)
    metrics.answered("unknown", "WHEN", 405, 0.1)
    assert read(metrics)["estiva_requests_total", "unknown", "other", "405"] == 2


def test_durations_fill_buckets_up_to_and_with_their_bound(metrics):
    for duration in (0.0, 0.001, 0.0011, 400.0):
        metrics.answered("blob", "GET", 200, duration)
    samples = read(metrics)
    assert samples["estiva_request_duration_seconds_bucket", "blob", "0.001"] == 2
    assert samples["estiva_request_duration_seconds_bucket", "blob", "0.0025"] == 3
    assert samples["estiva_request_duration_seconds_bucket", "blob", "300.0"] == 3
    assert samples["estiva_request_duration_seconds_bucket", "blob", "+Inf"] == 4
    assert samples["estiva_request_duration_seconds_count", "blob"] == 4
    assert samples["estiva_request_duration_seconds_sum", "blob"] == pytest.approx(400.0021)


def test_bytes_are_counted_in_both_directions(metrics):
    metrics.transferred(received=3, sent=0)
    metrics.transferred(received=1, sent=5)
    samples = read(metrics)
    assert (samples["estiva_received_bytes_total",], samples["estiva_sent_bytes_total",]) == (4, 5)


def test_gauges_go_up_and_down(metrics):
    metrics.in_flight(7)
    metrics.upload_began()
    metrics.upload_began()
    metrics.upload_ended()
    metrics.connection_opened()
    metrics.connection_closed()
    samples = read(metrics)
    assert samples["estiva_requests_in_flight",] == 7
    assert samples["estiva_uploads_in_flight",] == 1
    assert samples["estiva_connections",] == 0


def test_storage_faults_are_counted_by_kind(metrics):
    metrics.storage_failed(StorageFault.FULL)
    samples = read(metrics)
    assert samples["estiva_storage_errors_total", "full"] == 1
    assert samples["estiva_storage_errors_total", "unavailable"] == 0


def test_storage_without_bound_has_no_size(metrics):
    assert ("estiva_storage_free_bytes",) not in read(metrics)
    metrics.observe_space(10, 100)
    assert (read(metrics)["estiva_storage_free_bytes",], read(metrics)["estiva_storage_size_bytes",]) == (10, 100)
    metrics.observe_space(None, None)
    assert ("estiva_storage_size_bytes",) not in read(metrics)


def test_the_version_is_told(metrics):
    assert read(metrics)["estiva_build_info", __version__] == 1


def test_what_is_rendered_is_what_is_declared(metrics):
    metrics.answered("blob", "GET", 200, 0.1)
    metrics.observe_space(1, 1)
    body, content_type = metrics.render()
    helped = dict(line.split(" ", 3)[2:] for line in body.decode().splitlines() if line.startswith("# HELP estiva_"))
    assert helped == {family.name: family.text for family in FAMILIES}
    assert content_type.startswith("text/plain; version=")


def test_each_instance_stands_alone(metrics):
    metrics.transferred(received=1, sent=1)
    assert read(Metrics())["estiva_sent_bytes_total",] == 0
