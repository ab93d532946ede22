//! What a lane shows over time: stretches in which a node is the same.

use super::super::record::{Liveness, NodeState, Role};

/// How a node is, as far as its lane shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Look {
    pub(super) liveness: Liveness,
    pub(super) role: Role,
}

/// A node's look between two heights.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Stretch {
    pub(super) look: Look,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// A lane while it is being drawn downwards.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    look: Look,
    since: f64,
    done: Vec<Stretch>,
}

impl Look {
    pub(super) const fn of(state: &NodeState) -> Self {
        Self { liveness: state.liveness, role: state.role }
    }

    /// How every node begins.
    pub(super) const BEGINNING: Self = Self { liveness: Liveness::Up, role: Role::Follower };
}

impl Lane {
    pub(super) const fn new(look: Look, top: f64) -> Self {
        Self { look, since: top, done: Vec::new() }
    }

    /// The node looks like this from here on.
    pub(super) fn turn(&mut self, look: Look, at: f64) {
        if look != self.look {
            self.end(at);
            self.look = look;
        }
    }

    /// Everything up to the bottom.
    pub(super) fn finish(mut self, bottom: f64) -> Vec<Stretch> {
        self.end(bottom);
        self.done
    }

    fn end(&mut self, at: f64) {
        if at > self.since {
            self.done.push(Stretch { look: self.look, from: self.since, to: at });
        }
        self.since = at;
    }
}
