//! The form that identity files had before they were shared with the log store.

use raft_core::{ClusterId, GroupId, Identity, Incarnation, NodeId};

const TITLE: &str = "raft-server key-value store";
const FORMAT: &str = "1";

/// The identity in a file of the earlier form. `None` if the text does not have this form or its
/// checksum does not match.
pub(super) fn parse(text: &str) -> Option<Identity> {
    let (body, checksum) = text.split_once("crc32c = ")?;
    let checksum = u32::from_str_radix(checksum.strip_suffix('\n')?, 16).ok()?;
    let mut lines = body.lines();
    if crc32c::crc32c(body.as_bytes()) != checksum || lines.next()? != TITLE {
        return None;
    }
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(" = ");
    if field("format")? != FORMAT {
        return None;
    }
    let cluster: ClusterId = field("cluster")?.parse().ok()?;
    let group = GroupId(field("group")?.parse().ok()?);
    let node = NodeId(field("node")?.parse().ok()?);
    let incarnation = Incarnation(field("incarnation")?.parse().ok()?);
    Some(Identity { cluster, group, node, incarnation })
}
