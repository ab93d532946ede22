//! Proposals, reads and admin commands, and their outcomes.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use raft_core::ports::{Inbox, PeerAddress, Transport};
use raft_core::{
    Body, LogIndex, Message, NodeId, ReadConsistency, Refusal, RequestVoteResponse, RoleKind, Rpc,
    Term,
};
use raft_server::{ProposeError, QueueLimits, ReadError};

use super::cluster::{Cluster, LINEARIZABLE, LOCAL, Setup, bytes, current, of_any_age, within};

#[tokio::test]
async fn a_proposal_returns_its_output_and_the_next_read_sees_its_effect() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    let leader = cluster.leader();
    for count in 1..=20 {
        assert_eq!(leader.propose("add").await, Ok(count.to_string()));
        let read = within(leader.handle.read(bytes("count"), LINEARIZABLE)).await;
        assert_eq!(read, Ok(current(&count.to_string())));
    }
    // Entry 1 is the empty one of the leader's term.
    let read_index =
        within(leader.handle.read_barrier(ReadConsistency::Linearizable)).await.expect("it leads");
    assert!(read_index.index >= LogIndex(21), "{read_index:?}");
    let counters = leader.handle.status().await.counters;
    assert_eq!((counters.proposals, counters.proposals_failed), (20, 0));
    assert_eq!((counters.reads, counters.reads_failed), (21, 0));
}

#[tokio::test]
async fn all_nodes_apply_acknowledged_commands_in_the_same_order() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    let expected: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for command in &expected {
        cluster.leader().propose(command).await.expect("acknowledged");
    }
    for member in &cluster.members {
        within(member.machine.has_flushed(LogIndex(101))).await;
        assert_eq!(member.machine.commands(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_callers_get_the_outputs_of_their_own_commands() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let handle = cluster.leader().handle.clone();
            tokio::spawn(async move {
                let mut outputs = Vec::new();
                for _ in 0..50 {
                    let output = handle.propose(bytes(&caller.to_string())).await;
                    outputs.push(output.expect("acknowledged"));
                }
                (caller, outputs)
            })
        })
        .collect();
    let mut responses = Vec::new();
    for caller in callers {
        let (caller, outputs) = within(caller).await.expect("the caller ends");
        responses.extend(outputs.into_iter().map(|output| (output, caller.to_string())));
    }
    // An output is the position of the command in the log of commands.
    let commands = cluster.leader().machine.commands();
    assert_eq!(responses.len(), commands.len());
    for (output, caller) in responses {
        let position: usize = std::str::from_utf8(&output).unwrap().parse().unwrap();
        assert_eq!(commands[position - 1], caller);
    }
}

#[tokio::test]
async fn a_follower_refuses_requests_and_names_the_leader() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    let follower = &cluster.members[1];
    within(follower.known_leader(NodeId(1))).await;
    let refusal = Refusal::NotLeader { leader: NodeId(1) };
    assert_eq!(follower.propose("add").await, Err(ProposeError::Refused(refusal)));
    let read = within(follower.handle.read(bytes("count"), LINEARIZABLE)).await;
    assert_eq!(read, Err(ReadError::Refused(refusal)));
    let barrier = within(follower.handle.read_barrier(ReadConsistency::Linearizable)).await;
    assert_eq!(barrier, Err(ReadError::Refused(refusal)));
    let counters = follower.handle.status().await.counters;
    assert_eq!((counters.proposals_failed, counters.reads_failed), (1, 2));
}

#[tokio::test]
async fn a_node_without_a_known_leader_refuses_requests() {
    let cluster = Cluster::start(Setup::default()).await;
    let node = &cluster.members[0];
    assert_eq!(node.propose("add").await, Err(ProposeError::Refused(Refusal::NoLeader)));
    let read = within(node.handle.read_barrier(ReadConsistency::Linearizable)).await;
    assert_eq!(read, Err(ReadError::Refused(Refusal::NoLeader)));
}

#[tokio::test]
async fn a_follower_serves_a_local_query() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    cluster.leader().propose("add").await.expect("acknowledged");
    let follower = &cluster.members[2];
    within(follower.machine.has_flushed(LogIndex(2))).await;
    let count = within(follower.handle.read(bytes("count"), LOCAL)).await;
    assert_eq!(count, Ok(of_any_age("1")));
}

#[tokio::test]
async fn a_failed_query_is_an_error_for_its_caller_only() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    for read in [
        within(node.handle.read(bytes("unknown"), LOCAL)).await,
        within(node.handle.read(bytes("unknown"), LINEARIZABLE)).await,
    ] {
        assert!(matches!(read, Err(ReadError::Query(_))), "{read:?}");
    }
    assert_eq!(node.propose("add").await, Ok("1".to_owned()));
}

#[tokio::test]
async fn a_proposal_in_progress_is_of_unknown_outcome_when_leadership_is_lost() {
    let cluster = Cluster::with_leader(Setup::default()).await;
    let leader = cluster.leader();
    leader.propose("before").await.expect("acknowledged");
    cluster.hub.isolate(leader.id);
    let (outcome, ()) = tokio::join!(leader.propose("isolated"), async {
        leader.has_taken_requests().await;
        leader.handle.step_down().await;
    });
    assert_eq!(outcome, Err(ProposeError::Unknown { leader: None }));
    assert_eq!(leader.machine.commands(), ["before"]);
}

#[tokio::test]
async fn the_others_elect_a_leader_when_the_leader_is_isolated() {
    let cluster = Cluster::with_leader(Setup::short_election_timeout()).await;
    let leader = cluster.members[0].another_leader(NodeId(0)).await;
    let position = usize::try_from(leader.get() - 1).unwrap();
    let old = &cluster.members[position];
    old.propose("before").await.expect("acknowledged");
    cluster.hub.isolate(old.id);
    let isolated = old.propose("isolated");
    let other = &cluster.members[(position + 1) % 3];
    let (outcome, new) = tokio::join!(isolated, within(other.another_leader(old.id)));
    assert!(matches!(outcome, Err(ProposeError::Unknown { .. })), "{outcome:?}");
    let new = &cluster.members[usize::try_from(new.get() - 1).unwrap()];
    assert_eq!(new.propose("after").await, Ok("2".to_owned()));
    assert_ne!(old.handle.status().await.raft.role, RoleKind::Leader);

    // The old leader follows and removes its uncommitted entry.
    cluster.hub.heal_all();
    let index =
        within(new.handle.read_barrier(ReadConsistency::Linearizable)).await.expect("it leads");
    within(old.machine.has_flushed(index.index)).await;
    assert_eq!(old.machine.commands(), ["before", "after"]);
}

#[tokio::test]
async fn a_node_that_enters_a_later_term_publishes_that_no_leader_is_known() {
    let setup = Setup::default();
    let cluster = Cluster::with_leader(setup.clone()).await;
    let [_, follower, third_member] = &cluster.members[..] else { panic!("three members") };
    within(follower.known_leader(NodeId(1))).await;
    within(third_member.handle.shutdown()).await;
    cluster.hub.cut(NodeId(1), NodeId(2));

    struct DiscardingInbox;
    impl Inbox for DiscardingInbox {
        fn deliver(&self, _message: Message) {}
        fn peer_unreachable(&self, _peer: NodeId) {}
    }
    let identity = setup.config(3).identity();
    let third = cluster.hub.join(NodeId(3), Arc::new(DiscardingInbox));
    third.set_peers(&[PeerAddress::new(NodeId(2), "")]);
    third.send(Message {
        cluster: identity.cluster,
        group: identity.group,
        from: identity.node,
        from_incarnation: identity.incarnation,
        to: NodeId(2),
        to_incarnation: None,
        rpc: Rpc::new(Term(50), Body::RequestVoteResponse(RequestVoteResponse { granted: false }))
            .unwrap(),
    });
    let mut leadership = follower.handle.subscribe();
    let known = within(leadership.wait_for(|known| known.term == Term(50))).await;
    assert_eq!(known.expect("the handle keeps the channel open").leader, None);
}

#[tokio::test]
async fn a_node_refuses_requests_as_busy_while_too_many_are_pending() {
    let mut queues = QueueLimits::default();
    queues.pending_max = 2;
    let cluster = Cluster::with_leader(Setup { queues, ..Setup::single_member() }).await;
    let node = cluster.leader();
    node.machine.hold_at("slow");
    let busy = async {
        within(node.machine.is_holding()).await;
        // A read after the slow command is the second pending request.
        let read = node.handle.read(bytes("count"), LOCAL);
        let refused = async {
            node.has_taken_requests().await;
            let refused = node.propose("one too many").await;
            node.machine.release();
            refused
        };
        let (read, refused) = tokio::join!(within(read), refused);
        assert_eq!(read, Ok(of_any_age("1")));
        refused
    };
    let (slow, refused) = tokio::join!(node.propose("slow"), busy);
    assert_eq!(slow, Ok("1".to_owned()));
    assert_eq!(refused, Err(ProposeError::Refused(Refusal::Busy)));
    assert_eq!(node.propose("next").await, Ok("2".to_owned()));
}

#[tokio::test]
async fn a_full_queue_refuses_requests_as_busy() {
    let mut queues = QueueLimits::default();
    queues.proposals_max = 2;
    queues.reads_max = 1;
    let cluster = Cluster::with_leader(Setup { queues, ..Setup::single_member() }).await;
    let handle = &cluster.leader().handle;
    // On one thread the driver runs only after all of these are queued.
    let (first, second, third) = within(async {
        tokio::join!(
            handle.propose(bytes("1")),
            handle.propose(bytes("2")),
            handle.propose(bytes("3"))
        )
    })
    .await;
    assert_eq!((first, second), (Ok(bytes("1")), Ok(bytes("2"))));
    assert_eq!(third, Err(ProposeError::Refused(Refusal::Busy)));
    let (first, second) = within(async {
        tokio::join!(
            handle.read_barrier(ReadConsistency::Linearizable),
            handle.read_barrier(ReadConsistency::Linearizable)
        )
    })
    .await;
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(second, Err(ReadError::Refused(Refusal::Busy)));
}

#[tokio::test]
async fn cancelled_requests_do_not_stay_pending() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    node.machine.hold_at("held");
    {
        let held = node.handle.propose(bytes("held"));
        let after = node.handle.propose(bytes("after"));
        let read = async {
            within(node.machine.is_holding()).await;
            tokio::select! {
                biased;
                _ = node.handle.read(bytes("count"), LINEARIZABLE) => panic!("the read waits for the held command"),
                () = node.has_taken_requests() => {}
            }
        };
        tokio::select! {
            biased;
            _ = held => panic!("the state machine holds the command"),
            _ = after => panic!("it is applied after the held command"),
            () = read => {}
        }
    }
    node.machine.release();
    // Commands in the log take effect, although no caller waits for them.
    assert_eq!(node.propose("last").await, Ok("3".to_owned()));
    // Queries run in their order, so that the cancelled one has ended after this one.
    within(node.handle.read(bytes("count"), LOCAL)).await.expect("a result");
    assert_eq!(node.handle.status().await.queues.pending, 0);
    assert_eq!(node.machine.commands(), ["held", "after", "last"]);
}

#[tokio::test]
async fn a_request_that_is_cancelled_before_the_driver_takes_it_has_no_effect() {
    let cluster = Cluster::with_leader(Setup::single_member()).await;
    let node = cluster.leader();
    {
        let mut cancelled = pin!(node.handle.propose(bytes("cancelled")));
        // The first poll queues it; on one thread the driver has not run when it is dropped.
        let first = poll_fn(|context| Poll::Ready(cancelled.as_mut().poll(context))).await;
        assert!(first.is_pending());
    }
    assert_eq!(node.propose("kept").await, Ok("1".to_owned()));
    assert_eq!(node.machine.commands(), ["kept"]);
}

#[tokio::test]
async fn queues_and_pending_requests_are_bounded_in_bytes() {
    let mut queues = QueueLimits::default();
    queues.reads_bytes_max = 8;
    // One request without a query, and one with the query "count".
    queues.pending_bytes_max = 2 * 256 + 5;
    let cluster = Cluster::with_leader(Setup { queues, ..Setup::single_member() }).await;
    let node = cluster.leader();
    // On one thread the driver runs only after both are queued.
    let count = || node.handle.read(bytes("count"), LOCAL);
    let (first, second) = within(async { tokio::join!(count(), count()) }).await;
    assert_eq!(first, Ok(of_any_age("0")));
    assert_eq!(second, Err(ReadError::Refused(Refusal::Busy)), "ten bytes are queued");

    node.machine.hold_at("slow");
    let busy = async {
        within(node.machine.is_holding()).await;
        let read = count();
        let refused = async {
            node.has_taken_requests().await;
            let refused = count().await;
            node.machine.release();
            refused
        };
        tokio::join!(within(read), within(refused))
    };
    let (slow, (read, refused)) = tokio::join!(node.propose("slow"), busy);
    assert_eq!((slow, read), (Ok("1".to_owned()), Ok(of_any_age("1"))));
    assert_eq!(refused, Err(ReadError::Refused(Refusal::Busy)), "one more query is pending");
    assert_eq!(within(count()).await, Ok(of_any_age("1")));
}
