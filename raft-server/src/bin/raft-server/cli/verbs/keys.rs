//! `put`, `get`, `del` and `range`.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;

use bytes::Bytes;
use clap::Args;
use raft_server::kv::client::{Client, Revisioned};
use raft_server::kv::protocol::Consistency;
use raft_server::kv::state_machine::{
    DeleteRange, KeyRange, Projection, Put, RangeRequest, RangeResult, Revision,
};

use super::{CommonArgs, End, VerbError};

#[derive(Args, Debug)]
pub(crate) struct PutArgs {
    /// The key
    key: OsString,
    /// The value; read from standard input if left out
    value: Option<OsString>,
    /// Show what the key was before
    #[arg(long)]
    prev: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// The key
    key: OsString,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct DelArgs {
    /// The key, or where the range begins
    key: OsString,
    /// Every key that begins like this one
    #[arg(long, conflicts_with = "range_end")]
    prefix: bool,
    /// Every key from this one up to END, END left out
    #[arg(long, value_name = "END")]
    range_end: Option<OsString>,
    /// Show what the keys were
    #[arg(long)]
    prev: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RangeArgs {
    /// The first key; every key if left out
    start: Option<OsString>,
    /// The key before which to stop; to the last key if left out
    end: Option<OsString>,
    /// Every key that begins like this
    #[arg(long, value_name = "PREFIX", conflicts_with = "start")]
    prefix: Option<OsString>,
    /// Show at most so many keys
    #[arg(long)]
    limit: Option<u64>,
    /// Leave the values out
    #[arg(long)]
    keys_only: bool,
    /// Show only how many keys there are; reads all of them
    #[arg(long, conflicts_with_all = ["keys_only", "limit"])]
    count_only: bool,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// As of when, and how fresh.
#[derive(Args, Debug)]
struct ReadArgs {
    /// Read the store as it was at this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// Let any node answer from what it has, which may be old
    #[arg(long)]
    serializable: bool,
}

impl ReadArgs {
    const fn consistency(&self) -> Consistency {
        if self.serializable { Consistency::Serializable } else { Consistency::Linearizable }
    }
}

pub(super) async fn put(args: PutArgs) -> Result<End, VerbError> {
    let value = match args.value {
        Some(value) => bytes(value),
        None => Bytes::from(stdin()?),
    };
    let (client, printer) = args.common.client()?;
    let put = Put { key: bytes(args.key), value, prev_kv: args.prev };
    let Revisioned { revision, value } = client.put(put).await?;
    printer.put(revision, value.as_ref()).map_err(VerbError::Print)?;
    Ok(End::Done)
}

pub(super) async fn get(args: GetArgs) -> Result<End, VerbError> {
    let (client, printer) = args.common.client()?;
    let mut request = RangeRequest::new(KeyRange::Key(bytes(args.key)));
    request.revision = args.read.revision.map(Revision);
    let Revisioned { revision, value } = client.range(request, args.read.consistency()).await?;
    if value.kvs.is_empty() {
        printer.nothing(revision).map_err(VerbError::Print)?;
        eprintln!("raft-server: no such key");
        return Ok(End::No);
    }
    printer.range(revision, &value, Projection::KeysAndValues).map_err(VerbError::Print)?;
    Ok(End::Done)
}

pub(super) async fn del(args: DelArgs) -> Result<End, VerbError> {
    let (client, printer) = args.common.client()?;
    let key = bytes(args.key);
    let range = match args.range_end {
        Some(end) => KeyRange::Span { start: key, end: bytes(end) },
        None if args.prefix => KeyRange::Prefix(key),
        None => KeyRange::Key(key),
    };
    let Revisioned { revision, value } =
        client.delete(DeleteRange { range, prev_kv: args.prev }).await?;
    printer.deleted(revision, &value).map_err(VerbError::Print)?;
    Ok(End::Done)
}

pub(super) async fn range(args: RangeArgs) -> Result<End, VerbError> {
    let (client, printer) = args.common.client()?;
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
    let Revisioned { revision, value } = read_on(&client, request, args.read.consistency()).await?;
    printer.range(revision, &value, projection).map_err(VerbError::Print)?;
    if value.more && projection != Projection::CountOnly {
        eprintln!("raft-server: {} keys shown, there are more", value.kvs.len());
    }
    Ok(End::Done)
}

/// Reads a range to its end or to the limit, at one revision, however many answers that takes.
async fn read_on(
    client: &Client,
    request: RangeRequest,
    consistency: Consistency,
) -> Result<Revisioned<RangeResult>, VerbError> {
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

/// What was typed, to the byte.
fn bytes(text: OsString) -> Bytes {
    Bytes::from(text.into_vec())
}

/// Standard input to its end.
pub(super) fn stdin() -> Result<Vec<u8>, VerbError> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(VerbError::Stdin)?;
    Ok(bytes)
}
