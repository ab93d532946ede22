//! Results as JSON.

use raft_core::ports::SnapshotMetadata;
use raft_core::{Incarnation, LogIndex};
use raft_server::kv::protocol::{MembershipMember, MembershipReport, StatusReport};
use raft_server::kv::state_machine::{
    Deleted, KeyValue, Projection, RangeResult, Revision, TxnOpResult,
};
use serde_json::{Map, Value, json};

use super::text::role;

pub(super) fn txn_op(result: &TxnOpResult) -> Value {
    match result {
        TxnOpResult::Put { prev_kv } => {
            let prev = prev_kv.as_ref().map(|prev| key_value(prev, Projection::KeysAndValues));
            json!({ "put": { "prev": prev } })
        }
        TxnOpResult::DeleteRange(deleted) => json!({ "del": self::deleted(deleted) }),
        TxnOpResult::Range(found) => {
            let kvs: Vec<Value> =
                found.kvs.iter().map(|kv| key_value(kv, Projection::KeysAndValues)).collect();
            json!({ "get": { "kvs": kvs, "count": found.count, "more": found.more } })
        }
    }
}

pub(super) fn deleted(deleted: &Deleted) -> Value {
    let prev: Vec<Value> =
        deleted.prev_kvs.iter().map(|kv| key_value(kv, Projection::KeysAndValues)).collect();
    json!({ "deleted": deleted.count, "prev": prev })
}

pub(super) fn range(revision: Revision, found: &RangeResult, projection: Projection) -> Value {
    let mut value = json!({ "revision": revision.get(), "count": found.count });
    if projection != Projection::CountOnly {
        let kvs = found.kvs.iter().map(|kv| key_value(kv, projection));
        value["kvs"] = Value::Array(kvs.collect());
        value["more"] = found.more.into();
    }
    value
}

pub(super) fn key_value(kv: &KeyValue, projection: Projection) -> Value {
    let mut map = Map::new();
    insert_bytes(&mut map, "key", &kv.key);
    if projection == Projection::KeysAndValues {
        insert_bytes(&mut map, "value", &kv.value);
    }
    map.insert("create_revision".to_owned(), kv.create_revision.get().into());
    map.insert("mod_revision".to_owned(), kv.mod_revision.get().into());
    map.insert("version".to_owned(), kv.version.into());
    Value::Object(map)
}

/// Inserts bytes as text if they are UTF-8, and otherwise as hexadecimal digits under `NAME_hex`.
fn insert_bytes(map: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => map.insert(name.to_owned(), text.into()),
        Err(_) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            map.insert(format!("{name}_hex"), digits.into())
        }
    };
}

pub(super) fn snapshot(metadata: &SnapshotMetadata) -> Value {
    let SnapshotMetadata { last, membership: (index, membership), size_bytes, checksum } = metadata;
    let voters: Vec<u64> = membership.voters.iter().map(|node| node.get()).collect();
    json!({
        "last_index": last.index.get(),
        "last_term": last.term.get(),
        "membership_index": index.get(),
        "voters": voters,
        "size_bytes": size_bytes,
        "crc32c": format!("{checksum:08x}"),
    })
}

pub(super) fn status(endpoint: &str, report: &StatusReport) -> Value {
    let followers = report.followers.iter().map(|follower| {
        json!({ "node": follower.node.get(), "match_index": follower.match_index.get() })
    });
    json!({
        "endpoint": endpoint,
        "release": report.release,
        "cluster": report.cluster.to_string(),
        "node": report.node.get(),
        "role": role(report.role),
        "term": report.term.get(),
        "leader": report.leader.map(|leader| leader.get()),
        "first_index": report.first_index.get(),
        "last_index": report.last_log.index.get(),
        "commit_index": report.commit_index.get(),
        "applied_index": report.applied_index.get(),
        "revision": report.revision.map(Revision::get),
        "followers": followers.collect::<Vec<Value>>(),
        "problem": report.problem,
        "space": report.space.map(|space| json!({
            "free_bytes": space.free_bytes,
            "reserve_bytes": space.reserve_bytes,
            "level": space.level.name(),
            "refused": space.refused,
        })),
    })
}

pub(super) fn membership(report: &MembershipReport) -> Value {
    let member = |member: &MembershipMember| {
        json!({
            "node": member.node.get(),
            "role": member.role.name(),
            "leader": member.leader,
            "incarnation": member.incarnation.map(Incarnation::get),
            "match_index": member.match_index.map(LogIndex::get),
            "peer_address": member.peer_address,
            "client_address": member.client_address,
        })
    };
    json!({
        "version": report.version.get(),
        "final": report.is_final,
        "last_index": report.last_index.get(),
        "members": report.members.iter().map(member).collect::<Vec<Value>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf_8_are_hexadecimal() {
        let kv = KeyValue {
            key: "a".into(),
            value: b"\x00\xff".as_slice().into(),
            create_revision: Revision(3),
            mod_revision: Revision(12),
            version: 2,
        };
        let found = RangeResult { kvs: vec![kv], more: false, count: Some(1) };
        let expected = "{\"count\":1,\"kvs\":[{\"create_revision\":3,\"key\":\"a\",\
                        \"mod_revision\":12,\"value_hex\":\"00ff\",\"version\":2}],\"more\":false,\
                        \"revision\":12}";
        assert_eq!(range(Revision(12), &found, Projection::KeysAndValues).to_string(), expected);
        let count = range(Revision(12), &found, Projection::CountOnly).to_string();
        assert_eq!(count, "{\"count\":1,\"revision\":12}");
    }
}
