//! The rules that every [`Transport`] keeps, as tests.
//!
//! A transport's own tests implement [`TransportFactory`] and name the rules with
//! [`transport_suite!`](crate::transport_suite). What is not promised is not asked for: messages
//! may be lost where a connection is, so a rule first makes sure that there is one, and then waits
//! for what must arrive, bounded only so that a broken transport fails instead of hanging.

mod factory;
mod inbox;
mod members;
mod messages;
pub mod rules;

pub use self::factory::TransportFactory;
pub use self::inbox::{RecordingInbox, WAIT_MAX};

/// Makes one test of each rule, for the network that an expression makes.
///
/// ```ignore
/// raft_testkit::transport_suite!(MyNetwork::new());
/// ```
#[macro_export]
macro_rules! transport_suite {
    ($factory:expr) => {
        $crate::transport_suite!(@rules $factory;
            delivers_every_kind_of_message_unaltered
            delivers_to_the_receiver_only
            drops_messages_with_another_sender
            keeps_the_order_of_messages_of_a_kind
            carries_large_appends
            send_never_blocks_on_an_unreachable_peer
            queues_a_bounded_amount_for_an_unreachable_peer
            large_appends_do_not_delay_votes
            sends_nothing_to_a_removed_peer
            accepts_messages_only_from_configured_peers
            reports_an_unreachable_peer_once
            reaches_a_peer_that_starts_late
            reaches_a_peer_that_was_restarted
        );
    };
    (@rules $factory:expr; $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::suite::transport::rules::$rule($factory);
            }
        )*
    };
}
