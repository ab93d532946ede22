//! Reading the whole log once, when it is opened.

use raft_core::ports::StoreError;
use raft_core::{HardState, LogIndex, Membership, Recovered, TermRuns};

use super::compact::BaseRecord;
use super::read::gap;
use super::record::CheckedFrame;
use super::{Shared, keys};

/// Entries between two log lines about the progress of a long recovery.
const PROGRESS_ENTRIES: u64 = 1_000_000;

impl Shared {
    /// Reads all records, verifies every checksum, and checks that entries are contiguous.
    ///
    /// One record is in memory at a time. Nothing is written, so a crash during recovery has no
    /// effect.
    pub(super) fn recover(&self) -> Result<Recovered, StoreError> {
        let BaseRecord { base, membership } = self.small_record(keys::BASE)?.unwrap_or_default();
        let mut recovered = Recovered {
            hard_state: self.small_record(keys::HARD_STATE)?.unwrap_or_default(),
            base,
            terms: TermRuns::starting_after(base),
            memberships: membership.into_iter().collect(),
            broken: self.small_record(keys::BROKEN)?,
        };
        self.recover_entries(&mut recovered)?;
        check_hard_state(&recovered)?;
        let last = recovered.terms.last();
        tracing::info!(directory = %self.directory.display(), %base, %last, "log recovered");
        Ok(recovered)
    }

    fn recover_entries(&self, recovered: &mut Recovered) -> Result<(), StoreError> {
        let base = recovered.base;
        let mut records = self.records_from(base.index);
        let mut base_seen = base.index == LogIndex::ZERO;
        while let Some(record) = records.current()? {
            let expected = recovered.terms.last().index.next();
            if record.first() > expected {
                return Err(gap(expected, record.first()));
            }
            if record.first() < expected && record.first() > base.index {
                return Err(contradiction(format!(
                    "the record of entry {} overlaps the one before it",
                    record.first()
                )));
            }
            for frame in record.frames() {
                let frame = frame?;
                if frame.index() < base.index {
                    continue;
                }
                let frame = frame.check()?;
                if frame.id.index == base.index {
                    base_seen = true;
                    check_base(&frame, recovered)?;
                } else {
                    recover_entry(&frame, recovered)?;
                }
            }
            records.advance();
        }
        if base_seen { Ok(()) } else { Err(gap(base.index, base.index.next())) }
    }
}

fn recover_entry(frame: &CheckedFrame<'_>, recovered: &mut Recovered) -> Result<(), StoreError> {
    recovered.terms.push(frame.id).map_err(|id| {
        contradiction(format!("entry {id} follows entry {}", recovered.terms.last()))
    })?;
    if let Some(membership) = frame.membership()? {
        check_membership(&membership, frame)?;
        recovered.memberships.push((frame.id.index, membership));
    }
    let count = frame.id.index.distance_from(recovered.base.index);
    if count.is_multiple_of(PROGRESS_ENTRIES) {
        tracing::info!(entries = count, at = %frame.id, "recovering the log");
    }
    Ok(())
}

fn check_base(frame: &CheckedFrame<'_>, recovered: &Recovered) -> Result<(), StoreError> {
    if frame.id == recovered.base {
        return Ok(());
    }
    Err(contradiction(format!(
        "the base is {}, but the entry there is {}",
        recovered.base, frame.id
    )))
}

fn check_membership(membership: &Membership, frame: &CheckedFrame<'_>) -> Result<(), StoreError> {
    membership.check().map_err(|error| contradiction(format!("entry {}: {error}", frame.id)))
}

/// A node stores a term before, or together with, entries of that term, and a commit index only
/// after the committed entries. So the term is not below the last entry's, and the commit index is
/// not above the last entry.
fn check_hard_state(recovered: &Recovered) -> Result<(), StoreError> {
    let HardState { term, voted_for: _, commit } = recovered.hard_state;
    let last = recovered.terms.last();
    if term < last.term {
        return Err(contradiction(format!("the term is {term}, but the last entry is {last}")));
    }
    if commit > last.index {
        return Err(contradiction(format!(
            "the commit index is {commit}, but the last entry is {last}"
        )));
    }
    Ok(())
}

fn contradiction(detail: String) -> StoreError {
    StoreError::Corrupt {
        what: "the log".to_owned(),
        detail: format!("{detail}; empty the data directory and join as a new incarnation"),
    }
}
