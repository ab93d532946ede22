//! `put`, `get`, `del` and `range`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use raft_server::kv::client::{Client, Read, Revisioned};
use raft_server::kv::protocol::Consistency;
use raft_server::kv::state_machine::{
    DeleteRange, KeyRange, Projection, Put, RangeRequest, RangeResult, Revision,
};

use super::cluster_args::ClusterArgs;
use super::outcome::{Ended, VerbError};
use super::stdin;
use crate::config::Span;

#[derive(Args, Debug)]
pub(crate) struct PutArgs {
    /// The key
    key: OsString,
    /// The value [default: standard input]
    value: Option<OsString>,
    /// Print the previous version of the key
    #[arg(long)]
    prev: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// The key
    key: OsString,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Args, Debug)]
pub(crate) struct DelArgs {
    /// The key, or the start of the range
    key: OsString,
    /// Delete all keys that start with KEY
    #[arg(long, conflicts_with = "range_end")]
    prefix: bool,
    /// Delete all keys from KEY to END, without END
    #[arg(long, value_name = "END")]
    range_end: Option<OsString>,
    /// Print the deleted keys
    #[arg(long)]
    prev: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RangeArgs {
    /// The first key [default: the first key of the store]
    start: Option<OsString>,
    /// The end of the range, excluded [default: the end of the store]
    end: Option<OsString>,
    /// Get all keys that start with PREFIX
    #[arg(long, value_name = "PREFIX", conflicts_with = "start")]
    prefix: Option<OsString>,
    /// Maximum number of keys
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print keys without their values
    #[arg(long)]
    keys_only: bool,
    /// Print only the number of keys; the node reads all of them
    #[arg(long, conflicts_with_all = ["keys_only", "limit"])]
    count_only: bool,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// The revision and the consistency of a read.
#[derive(Args, Debug)]
struct ReadArgs {
    /// Read at this revision of the store
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// Read from the state of any node, which may be stale
    #[arg(long)]
    serializable: bool,
    /// Read from the state of any node that is at most this old, such as 500ms
    #[arg(long, value_name = "AGE", conflicts_with = "serializable")]
    staleness_max: Option<Span>,
    /// Let a leader with a lease respond without messages to the other nodes
    #[arg(long, conflicts_with_all = ["serializable", "staleness_max"])]
    leased: bool,
}

impl ReadArgs {
    fn consistency(&self) -> Consistency {
        match self.staleness_max {
            Some(Span(age)) => {
                let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                Consistency::Bounded { staleness_ms_max: millis }
            }
            None if self.serializable => Consistency::Serializable,
            None if self.leased => Consistency::Leased,
            None => Consistency::Linearizable,
        }
    }

    /// Reports the age of a state that may be old.
    fn report_age(&self, staleness: Option<Duration>) {
        if let (Some(_), Some(age)) = (self.staleness_max, staleness) {
            eprintln!("raft-server: the state may be {} ms old", age.as_millis());
        }
    }
}

pub(crate) async fn put(args: PutArgs) -> Result<Ended, VerbError> {
    let value = match args.value {
        Some(value) => bytes(value),
        None => Bytes::from(stdin::read()?),
    };
    let (client, printer) = args.cluster.client()?;
    let put = Put { key: bytes(args.key), value, prev_kv: args.prev };
    let Revisioned { revision, value } = client.put(put).await?;
    printer.put(revision, value.as_ref()).map_err(VerbError::Print)?;
    Ok(Ended::Done)
}

pub(crate) async fn get(args: GetArgs) -> Result<Ended, VerbError> {
    let (client, printer) = args.cluster.client()?;
    let mut request = RangeRequest::new(KeyRange::Key(bytes(args.key)));
    request.revision = args.read.revision.map(Revision);
    let read = client.range(request, args.read.consistency()).await?;
    let Read { revision, value, staleness } = read;
    args.read.report_age(staleness);
    if value.kvs.is_empty() {
        printer.nothing(revision).map_err(VerbError::Print)?;
        eprintln!("raft-server: no such key");
        return Ok(Ended::No);
    }
    printer.range(revision, &value, Projection::KeysAndValues).map_err(VerbError::Print)?;
    Ok(Ended::Done)
}

pub(crate) async fn del(args: DelArgs) -> Result<Ended, VerbError> {
    let (client, printer) = args.cluster.client()?;
    let key = bytes(args.key);
    let range = match args.range_end {
        Some(end) => KeyRange::Span { start: key, end: bytes(end) },
        None if args.prefix => KeyRange::Prefix(key),
        None => KeyRange::Key(key),
    };
    let Revisioned { revision, value } =
        client.delete(DeleteRange { range, prev_kv: args.prev }).await?;
    printer.deleted(revision, &value).map_err(VerbError::Print)?;
    Ok(Ended::Done)
}

pub(crate) async fn range(args: RangeArgs) -> Result<Ended, VerbError> {
    let (client, printer) = args.cluster.client()?;
    let range = match (args.start, args.end, args.prefix) {
        (_, _, Some(prefix)) => KeyRange::Prefix(bytes(prefix)),
        (Some(start), Some(end), None) => KeyRange::Span { start: bytes(start), end: bytes(end) },
        (Some(start), None, None) => KeyRange::From(bytes(start)),
        (None, _, None) => KeyRange::all(),
    };
    let projection = match (args.keys_only, args.count_only) {
        (_, true) => Projection::CountOnly,
        (true, false) => Projection::KeysOnly,
        (false, false) => Projection::KeysAndValues,
    };
    let revision = args.read.revision.map(Revision);
    let request = RangeRequest { range, revision, limit: args.limit, projection };
    let read = read_on(&client, request, args.read.consistency()).await?;
    let Read { revision, value, staleness } = read;
    args.read.report_age(staleness);
    printer.range(revision, &value, projection).map_err(VerbError::Print)?;
    if value.more && projection != Projection::CountOnly {
        eprintln!("raft-server: {} keys shown, there are more", value.kvs.len());
    }
    Ok(Ended::Done)
}

/// Reads a range to its end or to the limit, at one revision, with as many requests as it takes.
async fn read_on(
    client: &Client,
    request: RangeRequest,
    consistency: Consistency,
) -> Result<Read<RangeResult>, VerbError> {
    let mut whole = client.range(request.clone(), consistency).await?;
    let revision = request.revision.unwrap_or(whole.revision);
    loop {
        let missing = request.limit.map(|limit| limit.saturating_sub(whole.value.kvs.len() as u64));
        let last = match whole.value.kvs.last() {
            Some(last) if whole.value.more && missing != Some(0) => last.key.clone(),
            Some(_) | None => return Ok(whole),
        };
        let next = RangeRequest {
            range: request.range.after(&last),
            revision: Some(revision),
            limit: missing,
            projection: request.projection,
        };
        let mut further = client.range(next, consistency).await?.value;
        whole.value.more = further.more;
        whole.value.kvs.append(&mut further.kvs);
        whole.value.count = (!whole.value.more).then_some(whole.value.kvs.len() as u64);
    }
}

/// The bytes of an argument.
fn bytes(text: OsString) -> Bytes {
    Bytes::from(text.into_vec())
}
