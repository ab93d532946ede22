//! The identity file of a data directory: to which node the directory belongs, and how that node
//! became a member.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use raft_core::{Identity, Incarnation, NodeId};
use raft_storage::data_directory::{DirectoryError, IdentityFile, IdentityRecord, Stage};

use crate::config::Member;

/// The first word of the file.
const KIND: &str = "raft-server";
/// The format of the file.
const FORMAT: u32 = 1;
/// The value of a fact that does not apply.
const NONE: &str = "none";

/// The low bits of an incarnation, which are random.
const RANDOM_BITS: u32 = 12;
/// The beginning of 2025, in seconds since 1970: incarnations count from here, so that they stay
/// below 2^53, which JSON represents exactly, until 2094.
const INCARNATION_EPOCH: Duration = Duration::from_secs(1_735_689_600);

/// What the identity file of a data directory states. It is written before the log and the
/// key-value store are created, and is the only record of the incarnation then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NodeRecord {
    /// The node and its incarnation.
    pub(crate) identity: Identity,
    /// [`Stage::Creating`] until the log and the key-value store exist and the log is bootstrapped:
    /// until then the node has not started.
    pub(crate) stage: Stage,
    /// The fingerprint of the membership that this node was bootstrapped with. `None` if it joined a
    /// running cluster.
    pub(crate) bootstrap: Option<u64>,
    /// How often the cluster was recovered after it had lost its quorum, as far as this node was
    /// part of that.
    pub(crate) epoch: u64,
    /// The ids in `members` of the configuration at the last start.
    pub(crate) members: BTreeSet<NodeId>,
}

impl NodeRecord {
    /// Reads the record of a data directory; `None` if there is none.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or has another format.
    pub(crate) fn read(data_dir: &Path) -> Result<Option<Self>, DirectoryError> {
        let file = file(data_dir);
        let Some(record) = file.read_record()? else { return Ok(None) };
        let parsed = Self::parse(&record);
        parsed.map(Some).map_err(|detail| DirectoryError::Damaged { path: file.path(), detail })
    }

    /// Writes the record; durable on return.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self, data_dir: &Path) -> Result<(), DirectoryError> {
        let members: Vec<_> = self.members.iter().map(ToString::to_string).collect();
        let bootstrap = self.bootstrap.map_or_else(|| NONE.to_owned(), |it| format!("{it:016x}"));
        let facts = [
            ("bootstrap", bootstrap),
            ("epoch", self.epoch.to_string()),
            ("members", members.join(" ")),
        ];
        file(data_dir).write_record(&IdentityRecord {
            identity: self.identity,
            stage: self.stage,
            facts: facts.map(|(name, value)| (name.to_owned(), value)).into(),
        })
    }

    /// What the peers compare: nodes that were bootstrapped with different memberships, or of which
    /// one missed a recovery of the cluster, refuse each other.
    pub(crate) fn fingerprint(&self) -> Option<u64> {
        let bootstrap = self.bootstrap?;
        Some(if self.epoch == 0 { bootstrap } else { fnv(bootstrap, &self.epoch.to_be_bytes()) })
    }

    fn parse(record: &IdentityRecord) -> Result<Self, String> {
        let fact = |name| record.fact(name).ok_or_else(|| format!("`{name}` is missing"));
        let wrong = |name: &str, value: &str| format!("`{name} {value}` cannot be read");
        let bootstrap = match fact("bootstrap")? {
            NONE => None,
            hex => {
                let number = u64::from_str_radix(hex, 16);
                Some(number.map_err(|_| wrong("bootstrap", hex))?)
            }
        };
        let (epoch, members) = (fact("epoch")?, fact("members")?);
        let ids = members.split_whitespace().map(|id| id.parse().map(NodeId));
        Ok(Self {
            identity: record.identity,
            stage: record.stage,
            bootstrap,
            epoch: epoch.parse().map_err(|_| wrong("epoch", epoch))?,
            members: ids.collect::<Result<_, _>>().map_err(|_| wrong("members", members))?,
        })
    }
}

/// The incarnation of a data directory that is created now. It is later than that of every
/// directory of the node that was created before, if the clock was not set back meanwhile: the
/// milliseconds since 2025, then 12 random bits.
pub(crate) fn new_incarnation(now: SystemTime) -> Incarnation {
    let since = now.duration_since(SystemTime::UNIX_EPOCH + INCARNATION_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX >> RANDOM_BITS);
    Incarnation((millis << RANDOM_BITS) | fastrand::u64(1..1 << RANDOM_BITS))
}

/// The fingerprint of the membership that consists of these members: FNV-1a over a line for each,
/// as the flag `--members` has it, in ascending order.
pub(crate) fn fingerprint_of(members: &[Member]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    let lines: String = members.iter().map(|member| format!("{member}\n")).collect();
    fnv(BASIS, lines.as_bytes())
}

fn fnv(basis: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(basis, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

fn file(data_dir: &Path) -> IdentityFile {
    IdentityFile::new(data_dir, KIND, FORMAT)
}

#[cfg(test)]
mod tests {
    use raft_core::{ClusterId, GroupId};

    use super::*;

    fn record() -> NodeRecord {
        let (cluster, group, node) = (ClusterId(7), GroupId(0), NodeId(1));
        NodeRecord {
            identity: Identity { cluster, group, node, incarnation: Incarnation(5) },
            stage: Stage::Ready,
            bootstrap: Some(0xab),
            epoch: 0,
            members: [1, 2, 3].map(NodeId).into(),
        }
    }

    #[test]
    fn written_record_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(NodeRecord::read(directory.path()).unwrap(), None);
        for record in [record(), NodeRecord { bootstrap: None, epoch: 3, ..record() }] {
            record.write(directory.path()).unwrap();
            assert_eq!(NodeRecord::read(directory.path()).unwrap(), Some(record));
        }
    }

    #[test]
    fn fingerprint_differs_with_the_members_and_the_epoch() {
        let member = |text: &str| text.parse::<Member>().unwrap();
        let one = [member("1=a:1/a:2"), member("2=b:1/b:2")];
        let other = [member("1=a:1/a:2"), member("3=b:1/b:2")];
        assert_eq!(fingerprint_of(&one), fingerprint_of(&one.clone()));
        assert_ne!(fingerprint_of(&one), fingerprint_of(&other));
        assert_eq!(record().fingerprint(), Some(0xab), "part of the exchange between releases");
        assert_ne!(NodeRecord { epoch: 1, ..record() }.fingerprint(), record().fingerprint());
        assert_eq!(NodeRecord { bootstrap: None, ..record() }.fingerprint(), None);
    }

    #[test]
    fn later_directory_has_a_later_incarnation() {
        let at = |millis| new_incarnation(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
        let now = 1_790_000_000_000;
        assert!(at(now) < at(now + 1));
        assert!(at(3_900_000_000_000).get() < 1 << 53, "JSON represents it exactly");
        assert!(at(0) > Incarnation(0), "a clock that was never set");
    }
}
