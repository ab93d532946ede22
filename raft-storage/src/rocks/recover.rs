//! Reading the log once, when it is opened: the entries after its summary.

use raft_core::ports::StoreError;
use raft_core::{HardState, LogId, LogIndex, Recovered, TermRuns};

use super::base::BaseRecord;
use super::read::gap;
use super::record::CheckedFrame;
use super::{Shared, keys};

/// Entries between two log lines about the progress of a long recovery.
const PROGRESS_ENTRIES: u64 = 1_000_000;

impl Shared {
    /// Reads the records after the summary, verifies their checksums, and checks that entries are
    /// contiguous. Those before are verified when they are read.
    ///
    /// One record is in memory at a time. Nothing is written, so a crash during recovery has no
    /// effect. Returns the bytes of the entries that were read, too.
    pub(super) fn recover(&self) -> Result<(Recovered, u64), StoreError> {
        let BaseRecord { base, membership } = self.small_record(keys::BASE)?.unwrap_or_default();
        let mut recovered = Recovered {
            hard_state: self.small_record(keys::HARD_STATE)?.unwrap_or_default(),
            base,
            terms: TermRuns::starting_after(base),
            memberships: membership.into_iter().collect(),
            broken: self.small_record(keys::BROKEN)?,
        };
        self.check_base(base)?;
        if let Some((terms, memberships)) = self.summarized(base) {
            recovered.terms = terms;
            recovered.memberships.extend(memberships);
        }
        let summarized = recovered.terms.last();
        let read_bytes = self.recover_entries(&mut recovered)?;
        check_memberships(&recovered)?;
        check_hard_state(&recovered)?;
        let last = recovered.terms.last();
        let directory = self.directory.display();
        tracing::info!(%directory, %base, %summarized, %last, "log recovered");
        Ok((recovered, read_bytes))
    }

    fn check_base(&self, base: LogId) -> Result<(), StoreError> {
        if base.index == LogIndex::ZERO {
            return Ok(());
        }
        match self.id_at(base.index)? {
            Some(found) if found == base => Ok(()),
            Some(found) => {
                Err(contradiction(format!("the base is {base}, but the entry there is {found}")))
            }
            None => Err(gap(base.index, base.index.next())),
        }
    }

    /// Reads the entries after those that are known. Returns their bytes.
    fn recover_entries(&self, recovered: &mut Recovered) -> Result<u64, StoreError> {
        let known = recovered.terms.last().index;
        let mut records = self.records_from(known);
        let mut read_bytes = 0;
        while let Some(record) = records.current()? {
            let expected = recovered.terms.last().index.next();
            if record.first() > expected {
                return Err(gap(expected, record.first()));
            }
            if record.first() < expected && record.first() > known {
                return Err(contradiction(format!(
                    "the record of entry {} overlaps the one before it",
                    record.first()
                )));
            }
            for frame in record.frames() {
                let frame = frame?;
                if frame.index() > known {
                    let frame = frame.check()?;
                    read_bytes += frame.len_bytes();
                    recover_entry(&frame, recovered)?;
                }
            }
            records.advance();
        }
        Ok(read_bytes)
    }
}

fn recover_entry(frame: &CheckedFrame<'_>, recovered: &mut Recovered) -> Result<(), StoreError> {
    recovered.terms.push(frame.id).map_err(|id| {
        contradiction(format!("entry {id} follows entry {}", recovered.terms.last()))
    })?;
    if let Some(membership) = frame.membership()? {
        recovered.memberships.push((frame.id.index, membership));
    }
    let count = frame.id.index.distance_from(recovered.base.index);
    if count.is_multiple_of(PROGRESS_ENTRIES) {
        tracing::info!(entries = count, at = %frame.id, "recovering the log");
    }
    Ok(())
}

fn check_memberships(recovered: &Recovered) -> Result<(), StoreError> {
    recovered.memberships.iter().try_for_each(|(index, membership)| {
        membership.check().map_err(|error| contradiction(format!("membership {index}: {error}")))
    })
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
