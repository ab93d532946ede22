//! `raft-server recover`: a cluster that has lost its quorum for good continues with the survivors.
//!
//! It works on the data directory of a stopped node. Without `--apply` it changes nothing: it prints
//! a [`report`](report::Report) of the directory and a [`plan`](plan::Plan) with what may be lost.

mod apply;
mod args;
mod inspect;
mod plan;
mod report;
mod text;

pub(super) use args::{RecoverArgs, run};
