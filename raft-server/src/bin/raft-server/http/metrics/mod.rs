//! `/metrics` in the OpenMetrics text format, which Prometheus reads.
//!
//! A metric with the same meaning as one of etcd has the name of etcd's, so that dashboards for etcd
//! show it.

mod encode;
mod process;
mod scrape;
mod snapshots;

pub(super) use scrape::{CONTENT_TYPE, page};
