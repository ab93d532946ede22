//! Writes metrics to the encoder of the metrics library.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use raft_core::NodeId;
use raft_server::{DURATION_BUCKETS, DurationHistogram};

/// Writes metrics, one after another.
pub(super) struct Page<'page, 'encoder> {
    pub(super) encoder: &'page mut DescriptorEncoder<'encoder>,
}

impl Page<'_, '_> {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        gauge.encode(self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    pub(super) fn counter_f64(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    /// One value for each peer. As with etcd, the label is `To` for what this node sends and `From`
    /// for what it receives.
    pub(super) fn family(
        &mut self,
        name: &str,
        help: &str,
        (kind, label): (MetricType, &'static str),
        values: impl Iterator<Item = (NodeId, u64)>,
    ) -> fmt::Result {
        let is_counter = matches!(kind, MetricType::Counter);
        let mut metric = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (node, value) in values {
            let labels = [(label, node.to_string())];
            let encoder = metric.encode_family(&labels)?;
            if is_counter {
                ConstCounter::new(value).encode(encoder)?;
            } else {
                ConstGauge::new(value).encode(encoder)?;
            }
        }
        Ok(())
    }

    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        times: &DurationHistogram,
    ) -> fmt::Result {
        let bounds = DURATION_BUCKETS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(times.buckets).collect();
        let mut metric = self.encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        metric.encode_histogram::<prometheus_client::encoding::NoLabelSet>(
            times.sum.as_secs_f64(),
            times.count,
            &buckets,
            None,
        )
    }
}
