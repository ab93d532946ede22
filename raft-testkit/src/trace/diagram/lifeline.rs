//! What a lifeline shows over time: stretches in which a node is the same.

use super::super::record::{Liveness, NodeState, Role};

/// How a node is, as far as its lifeline shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LifelineState {
    pub(super) liveness: Liveness,
    pub(super) role: Role,
}

/// A node's state between two heights.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct LifelineSegment {
    pub(super) state: LifelineState,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// A lifeline while it is being drawn downwards.
#[derive(Clone, Debug)]
pub(super) struct Lifeline {
    state: LifelineState,
    since: f64,
    segments: Vec<LifelineSegment>,
}

impl LifelineState {
    pub(super) const fn of(state: &NodeState) -> Self {
        Self { liveness: state.liveness, role: state.role }
    }

    /// How every node begins.
    pub(super) const INITIAL: Self = Self { liveness: Liveness::Up, role: Role::Follower };
}

impl Lifeline {
    pub(super) const fn new(state: LifelineState, top: f64) -> Self {
        Self { state, since: top, segments: Vec::new() }
    }

    /// The node looks like this from here on.
    pub(super) fn set_state(&mut self, state: LifelineState, at: f64) {
        if state != self.state {
            self.close_segment(at);
            self.state = state;
        }
    }

    /// Everything up to the bottom.
    pub(super) fn finish(mut self, bottom: f64) -> Vec<LifelineSegment> {
        self.close_segment(bottom);
        self.segments
    }

    fn close_segment(&mut self, at: f64) {
        if at > self.since {
            self.segments.push(LifelineSegment { state: self.state, from: self.since, to: at });
        }
        self.since = at;
    }
}
