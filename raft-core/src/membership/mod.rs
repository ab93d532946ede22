//! The members of the cluster, and how they change.

mod change;
mod configuration;
mod participation;
mod priority;
mod refusal;

pub use change::{MembershipChange, MembershipRequest, PromoteWhen};
pub use configuration::{ADDRESS_BYTES_MAX, MemberInfo, Membership, MembershipError};
pub use participation::Participation;
pub use priority::Priority;
pub use refusal::MembershipRefusal;
