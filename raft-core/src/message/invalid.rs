//! Why the contents of a message contradict themselves.

use crate::types::{LogIndex, Term};

/// The highest index or term that is accepted: far above real values, far below the wrap-around.
const NUMBER_MAX: u64 = u64::MAX / 4;

/// A contradiction inside a message, whatever the receiver and its state are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMessage {
    /// An index or a term is above a quarter of the largest 64-bit number.
    #[error("an index or a term is out of range")]
    NumberTooLarge,
    /// A term contradicts the message's term.
    #[error("its terms contradict each other")]
    InconsistentTerms,
    /// Its entries leave gaps, or their terms fall.
    #[error("its entries are not contiguous")]
    EntriesNotContiguous,
    /// A configuration in it fails [`Membership::check`](crate::Membership::check).
    #[error("it carries an invalid membership")]
    InvalidMembership,
    /// Indexes contradict each other.
    #[error("its indexes contradict each other")]
    InconsistentIndexes,
}

pub(super) const fn term_in_range(term: Term) -> Result<(), InvalidMessage> {
    if term.get() <= NUMBER_MAX { Ok(()) } else { Err(InvalidMessage::NumberTooLarge) }
}

pub(super) const fn index_in_range(index: LogIndex) -> Result<(), InvalidMessage> {
    if index.get() <= NUMBER_MAX { Ok(()) } else { Err(InvalidMessage::NumberTooLarge) }
}
