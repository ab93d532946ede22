//! A configuration that obeys all rules.

use core::ops::Deref;

use super::error::ConfigError;
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
    settings: Settings,
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
            None => Ok(Self { identity, seed, settings }),
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
        let message = self.limits.message_bytes_max();
        if message > message_bytes_max {
            return Err(ConfigError::MessageExceedsTransport {
                message,
                append: self.limits.append_bytes_max,
                command: self.limits.command_bytes_max,
                transport: message_bytes_max,
            });
        }
        Ok(())
    }
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}
