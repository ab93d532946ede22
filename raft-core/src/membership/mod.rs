//! The members of the cluster, and how they change.

mod change;
mod configuration;
mod participation;
mod refusal;

pub use change::{MembershipChange, MembershipRequest, PromoteWhen};
pub use configuration::{ADDRESS_BYTES_MAX, MemberInfo, Membership, MembershipError};
pub use participation::Participation;
pub use refusal::MembershipRefusal;
