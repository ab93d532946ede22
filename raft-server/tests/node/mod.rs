//! `Node` and `NodeHandle`, over in-memory ports.

mod cluster;
mod disk;
mod explain;
mod failures;
mod lifecycle;
mod machine;
mod reads;
mod requests;
mod snapshots;
mod status;
mod transfer;
