//! The rules of a [`Transport`](raft_core::ports::Transport), as tests.
//!
//! The tests of a transport implement [`TransportFactory`] and call
//! [`transport_suite!`](crate::transport_suite). A transport may lose messages while it connects,
//! so each test first waits until its nodes are connected, and then for the messages that must
//! arrive. The waits have a bound ([`WAIT_MAX`]), so that a faulty transport fails.

mod factory;
mod inbox;
mod members;
mod messages;
pub mod peer_rules;
pub mod rules;
mod snapshot_host;
pub mod snapshot_rules;
mod wait;

pub use self::factory::{TestNode, TransportFactory};
pub use self::inbox::RecordingInbox;
pub use self::wait::WAIT_MAX;

/// Makes one test for each rule of [`suite::transport`](crate::suite::transport). The expression
/// makes the [`TransportFactory`](crate::suite::transport::TransportFactory) of one test.
///
/// ```ignore
/// raft_testkit::transport_suite!(MyTransports::new());
/// ```
#[macro_export]
macro_rules! transport_suite {
    ($factory:expr) => {
        $crate::transport_suite!(@rules rules, $factory;
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
        $crate::transport_suite!(@rules peer_rules, $factory;
            refuses_a_peer_of_another_incarnation
            disconnects_a_peer_whose_incarnation_is_no_longer_admitted
            nodes_of_different_bootstraps_refuse_each_other
            reports_that_a_node_is_not_a_peer
            follows_a_peer_to_its_new_address
        );
        $crate::transport_suite!(@rules snapshot_rules, $factory;
            snapshot_arrives_byte_for_byte
            broken_snapshot_resumes_at_an_offset
            altered_chunk_of_a_snapshot_is_refused
            slow_receiver_of_a_snapshot_bounds_memory_and_delays_no_message
            cancelled_snapshot_ends_at_both_hosts
            newer_snapshot_replaces_the_one_in_progress
            refusal_of_a_snapshot_reaches_the_sender
            snapshots_to_different_peers_are_independent
            rate_limit_of_a_snapshot_holds
            snapshot_reaches_no_host_after_shutdown
            snapshot_to_an_unreachable_peer_is_reported
            too_many_incoming_snapshots_are_refused
        );
    };
    (@rules $module:ident, $factory:expr; $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::suite::transport::$module::$rule($factory);
            }
        )*
    };
}
