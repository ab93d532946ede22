//! A lifeline: segments in which the role and the liveness of a node are the same.

use crate::trace::record::{Liveness, NodeState, Role};

/// What a lifeline shows of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LifelineState {
    pub(super) liveness: Liveness,
    pub(super) role: Role,
}

/// A part of a lifeline between two heights.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct LifelineSegment {
    pub(super) state: LifelineState,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// A lifeline that grows downwards.
#[derive(Clone, Debug)]
pub(super) struct Lifeline {
    state: LifelineState,
    /// The top of the open segment.
    top: f64,
    segments: Vec<LifelineSegment>,
}

impl LifelineState {
    pub(super) const fn of(state: &NodeState) -> Self {
        Self { liveness: state.liveness, role: state.role }
    }

    /// The state of a node without a record.
    pub(super) const INITIAL: Self = Self { liveness: Liveness::Up, role: Role::Follower };
}

impl Lifeline {
    pub(super) const fn new(state: LifelineState, top: f64) -> Self {
        Self { state, top, segments: Vec::new() }
    }

    /// The state below this height.
    pub(super) fn set_state(&mut self, state: LifelineState, height: f64) {
        if state != self.state {
            self.close_segment(height);
            self.state = state;
        }
    }

    /// The segments down to the bottom.
    pub(super) fn into_segments(mut self, bottom: f64) -> Vec<LifelineSegment> {
        self.close_segment(bottom);
        self.segments
    }

    fn close_segment(&mut self, height: f64) {
        if height > self.top {
            self.segments.push(LifelineSegment { state: self.state, from: self.top, to: height });
        }
        self.top = height;
    }
}
