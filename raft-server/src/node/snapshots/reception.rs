//! At most one snapshot is received at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_core::Term;
use raft_core::ports::SnapshotRefusal;

/// The reception in progress, if there is one. A leader of a later term supersedes it.
#[derive(Debug, Default)]
pub(super) struct Receptions {
    current: Mutex<Option<Arc<Reception>>>,
}

#[derive(Debug)]
struct Reception {
    term: Term,
    superseded: AtomicBool,
}

/// The right to receive a snapshot. Dropping it permits another one.
#[derive(Debug)]
pub(super) struct ReceptionGuard {
    receptions: Arc<Receptions>,
    reception: Arc<Reception>,
}

impl Receptions {
    /// Begins a reception from the leader of this term.
    ///
    /// # Errors
    /// While one from a leader of the same or a later term is in progress.
    pub(super) fn begin(self: &Arc<Self>, term: Term) -> Result<ReceptionGuard, SnapshotRefusal> {
        let mut current = self.current();
        if let Some(current) = &*current {
            if current.term >= term {
                return Err(SnapshotRefusal::Busy);
            }
            current.superseded.store(true, Ordering::Release);
        }
        let reception = Arc::new(Reception { term, superseded: AtomicBool::new(false) });
        *current = Some(Arc::clone(&reception));
        Ok(ReceptionGuard { receptions: Arc::clone(self), reception })
    }

    /// The field changes as a whole, so it is consistent after a panic under the lock.
    fn current(&self) -> MutexGuard<'_, Option<Arc<Reception>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReceptionGuard {
    /// Whether a leader of a later term has begun to send a snapshot.
    pub(super) fn is_superseded(&self) -> bool {
        self.reception.superseded.load(Ordering::Acquire)
    }
}

impl Drop for ReceptionGuard {
    fn drop(&mut self) {
        let mut current = self.receptions.current();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &self.reception)) {
            *current = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leader that was superseded may hold its transfer open for long.
    #[test]
    fn only_a_leader_of_a_later_term_supersedes_a_reception() {
        let receptions = Arc::<Receptions>::default();
        let first = receptions.begin(Term(2)).unwrap();
        assert_eq!(receptions.begin(Term(2)).unwrap_err(), SnapshotRefusal::Busy);
        assert_eq!(receptions.begin(Term(1)).unwrap_err(), SnapshotRefusal::Busy);
        assert!(!first.is_superseded());
        let second = receptions.begin(Term(3)).unwrap();
        assert!(first.is_superseded());
        drop(first);
        assert_eq!(receptions.begin(Term(3)).unwrap_err(), SnapshotRefusal::Busy);
        assert!(!second.is_superseded());
        drop(second);
        assert!(receptions.begin(Term(1)).is_ok());
    }
}
