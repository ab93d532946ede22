//! A configuration that obeys all rules.

use alloc::vec::Vec;
use core::ops::Deref;
use core::time::Duration;

use super::cluster_settings::ClusterSettings;
use super::error::ConfigError;
use super::limits::Limits;
use super::settings::Settings;
use crate::types::Identity;

/// The configuration of one node. Only [`Config::new`] makes one, so it always obeys every rule of
/// [`ConfigError`] but the transport's, which [`Config::check_transport`] checks.
///
/// Dereferences to its [`Settings`], read-only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    pub(crate) identity: Identity,
    pub(crate) seed: u64,
    /// The node's own.
    own: Settings,
    /// Those in force: the node's own, with those of the cluster in their place.
    settings: Settings,
    /// The longest message that the transport delivers, in bytes, if it is known.
    message_bytes_max: Option<u64>,
    /// See [`Config::lease_duration`].
    lease_duration: Option<Duration>,
    /// See [`Config::vote_withholding`].
    vote_withholding: Option<Duration>,
}

impl Config {
    /// Checks the settings of one node.
    ///
    /// `seed` initializes the generator of election timeouts. Nodes of a cluster need different
    /// seeds, and a restart should change it; with
    /// [`FollowerReads::ReadIndex`](super::FollowerReads::ReadIndex) it must. With the same seed and the same inputs a node emits
    /// the same effects.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(identity: Identity, seed: u64, settings: Settings) -> Result<Self, ConfigError> {
        if identity.node.get() == 0 {
            return Err(ConfigError::ZeroNodeId);
        }
        match settings.violations().into_iter().next() {
            Some(violation) => Err(violation),
            None => Ok(Self {
                identity,
                seed,
                lease_duration: settings.lease_duration(),
                vote_withholding: settings.vote_withholding(),
                own: settings.clone(),
                settings,
                message_bytes_max: None,
            }),
        }
    }

    /// The same configuration with another seed, for a restart.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The identity of the node.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// The seed of the generator.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Checks that a transport delivers every message that the limits permit. `message_bytes_max`
    /// is the length of the longest encoded message that it delivers, in bytes.
    ///
    /// # Errors
    /// When it does not: such a message would be dropped each time it is sent.
    pub fn check_transport(&self, message_bytes_max: u64) -> Result<(), ConfigError> {
        match exceeds(&self.own.limits, message_bytes_max) {
            Some(violation) => Err(violation),
            None => Ok(()),
        }
    }
}

/// The settings of the cluster.
impl Config {
    /// Limits messages to what the transport delivers, from the next [`Config::follow`] on.
    pub(crate) const fn limit_messages(&mut self, message_bytes_max: u64) {
        self.message_bytes_max = Some(message_bytes_max);
    }

    /// Puts the settings of the cluster in force: `since_commit` are those of the configuration at
    /// the commit index and of the later ones, and the last ones are in force.
    ///
    /// Until the last ones are committed, other nodes may have any of them. So an election timeout
    /// is the longest of them, and a heartbeat interval the shortest: no node campaigns between two
    /// heartbeats. A lease lasts the shortest of them, and a vote is withheld for the longest.
    pub(crate) fn follow<'a>(&mut self, since_commit: impl Iterator<Item = &'a ClusterSettings>) {
        let mut settings = None::<Settings>;
        let (mut lease_duration, mut vote_withholding) = (None, None);
        for cluster in since_commit {
            let mut next = self.own.adjusted_to(cluster);
            if let Some(message_bytes_max) = self.message_bytes_max {
                next.limits.fit_appends_into_messages(message_bytes_max);
            }
            let (lease, withholding) = (next.lease_duration(), next.vote_withholding());
            match &settings {
                Some(before) => {
                    next.election_timeout_min =
                        next.election_timeout_min.max(before.election_timeout_min);
                    next.heartbeat_interval =
                        next.heartbeat_interval.min(before.heartbeat_interval);
                    lease_duration = lease.min(lease_duration);
                }
                None => lease_duration = lease,
            }
            vote_withholding = withholding.max(vote_withholding);
            settings = Some(next);
        }
        if let Some(settings) = settings {
            self.settings = settings;
            self.lease_duration = lease_duration;
            self.vote_withholding = vote_withholding;
        }
    }

    /// Every rule that the settings of the cluster break together with those of this node and its
    /// transport.
    pub(crate) fn contradictions(&self, cluster: &ClusterSettings) -> Vec<ConfigError> {
        let settings = self.own.overridden_by(cluster);
        let mut contradictions = settings.violations();
        let longest = self.message_bytes_max;
        contradictions.extend(longest.and_then(|longest| exceeds(&settings.limits, longest)));
        contradictions
    }

    /// How long a lease lasts that begins now; `None` without leases. The shortest one of the
    /// configurations since the commit index.
    pub(crate) const fn lease_duration(&self) -> Option<Duration> {
        self.lease_duration
    }

    /// How long a node withholds its vote after contact with a leader; `None` without leases. The
    /// longest of the configurations since the commit index.
    pub(crate) const fn vote_withholding(&self) -> Option<Duration> {
        self.vote_withholding
    }
}

/// The rule that limits break if a transport delivers messages of at most this length.
fn exceeds(limits: &Limits, message_bytes_max: u64) -> Option<ConfigError> {
    let message = limits.message_bytes_max();
    (message > message_bytes_max).then_some(ConfigError::MessageExceedsTransport {
        message,
        append: limits.append_bytes_max,
        command: limits.command_bytes_max,
        transport: message_bytes_max,
    })
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}
