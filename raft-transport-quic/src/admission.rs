//! Decides which incoming connections may start a handshake.
//!
//! Before the handshake is complete, only the source address of the packets is known, and it may be
//! forged. Handshakes in progress are therefore limited: in total, for each source, and with a
//! reserve for each address of a configured peer, which handshakes from other addresses do not use
//! up. While half of a limit or more is used, a source must prove with a QUIC retry that it
//! receives packets at its address (RFC 9000 §8.1.2). So packets with forged addresses use up at
//! most half of a limit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The limits of handshakes in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmissionLimits {
    /// From all addresses at which no configured peer is known to be.
    pub(crate) total: usize,
    /// From one such source.
    pub(crate) per_source: usize,
    /// From one address of a configured peer, in addition to `total`.
    pub(crate) per_peer_address: usize,
}

/// Counts handshakes in progress against the limits.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: AdmissionLimits,
    in_progress: Mutex<InProgress>,
}

#[derive(Default, Debug)]
struct InProgress {
    /// The handshakes that count against [`AdmissionLimits::total`].
    total: usize,
    sources: HashMap<Source, usize>,
    peer_addresses: HashMap<Source, usize>,
}

/// A source of connections: an IPv4 address, or an IPv6 network of 64 bits, since one host usually
/// has at least that many addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Source(IpAddr);

/// The decision on an incoming connection.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Accept it. The handshake counts as in progress until the permit is dropped.
    Accept(HandshakePermit),
    /// Require proof of the source address first.
    Validate,
    /// Refuse it: a limit is reached.
    Refuse,
}

/// The permission for one handshake, which counts as in progress until this is dropped.
#[derive(Debug)]
pub(crate) struct HandshakePermit {
    admission: Arc<Admission>,
    source: Source,
    is_peer_address: bool,
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        const HOST_BITS: u32 = 64;
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> HOST_BITS << HOST_BITS).into()),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// The used part of a limit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Level {
    Free,
    /// Half or more.
    Busy,
    Full,
}

impl Level {
    const fn of(used: usize, limit: usize) -> Self {
        if used >= limit {
            Self::Full
        } else if used >= limit.div_ceil(2) {
            Self::Busy
        } else {
            Self::Free
        }
    }
}

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Arc<Self> {
        Arc::new(Self { limits, in_progress: Mutex::default() })
    }

    /// Decides on a connection from `source`: `is_peer_address` if a configured peer is known to be
    /// there, `validated` if the source has proved its address.
    pub(crate) fn decide(
        self: &Arc<Self>,
        source: Source,
        is_peer_address: bool,
        validated: bool,
    ) -> Decision {
        let limits = self.limits;
        let mut in_progress = self.lock();
        let used = in_progress.counts(is_peer_address).get(&source).copied().unwrap_or(0);
        let level = if is_peer_address {
            Level::of(used, limits.per_peer_address)
        } else {
            Level::of(in_progress.total, limits.total).max(Level::of(used, limits.per_source))
        };
        match level {
            Level::Full => Decision::Refuse,
            Level::Busy if !validated => Decision::Validate,
            Level::Busy | Level::Free => {
                in_progress.begin(source, is_peer_address);
                Decision::Accept(HandshakePermit {
                    admission: Arc::clone(self),
                    source,
                    is_peer_address,
                })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, InProgress> {
        // No change of the counts can panic before it is complete.
        self.in_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InProgress {
    const fn counts(&mut self, is_peer_address: bool) -> &mut HashMap<Source, usize> {
        if is_peer_address { &mut self.peer_addresses } else { &mut self.sources }
    }

    fn begin(&mut self, source: Source, is_peer_address: bool) {
        *self.counts(is_peer_address).entry(source).or_default() += 1;
        self.total += usize::from(!is_peer_address);
    }

    fn end(&mut self, source: Source, is_peer_address: bool) {
        self.total -= usize::from(!is_peer_address);
        if let Entry::Occupied(mut count) = self.counts(is_peer_address).entry(source) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        self.admission.lock().end(self.source, self.is_peer_address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AdmissionLimits =
        AdmissionLimits { total: 8, per_source: 4, per_peer_address: 2 };

    fn source(last: u8) -> Source {
        Source::from(IpAddr::from([10, 0, 0, last]))
    }

    /// Starts handshakes until one is refused.
    fn fill(
        admission: &Arc<Admission>,
        source: Source,
        is_peer_address: bool,
    ) -> Vec<HandshakePermit> {
        let mut permits = Vec::new();
        while let Decision::Accept(permit) = admission.decide(source, is_peer_address, true) {
            permits.push(permit);
        }
        permits
    }

    #[test]
    fn one_source_does_not_use_up_the_total() {
        let admission = Admission::new(LIMITS);
        let one = fill(&admission, source(1), false);
        assert_eq!(one.len(), 4);
        assert_eq!(fill(&admission, source(2), false).len(), 4);
        drop(one);
        assert_eq!(fill(&admission, source(1), false).len(), 4);
        assert!(admission.lock().sources.is_empty() && admission.lock().total == 0);
    }

    #[test]
    fn other_sources_do_not_use_the_reserve_of_a_peer_address() {
        let admission = Admission::new(LIMITS);
        let others = [1, 2].map(|last| fill(&admission, source(last), false));
        assert!(matches!(admission.decide(source(3), false, true), Decision::Refuse));
        assert_eq!(fill(&admission, source(3), true).len(), 2);
        let peer = fill(&admission, source(3), true);
        assert_eq!(fill(&admission, source(4), true).len(), 2, "each address has its own reserve");
        drop((others, peer));
    }

    #[test]
    fn forged_sources_use_up_at_most_half() {
        let admission = Admission::new(LIMITS);
        let mut permits = Vec::new();
        for last in 1..=100 {
            match admission.decide(source(last), false, false) {
                Decision::Accept(permit) => permits.push(permit),
                Decision::Validate => {}
                Decision::Refuse => panic!("refused before the total is used up"),
            }
        }
        assert_eq!(permits.len(), 4);
        assert!(matches!(admission.decide(source(9), true, false), Decision::Accept(_)));
        let _peer = admission.decide(source(9), true, true);
        assert!(matches!(admission.decide(source(9), true, false), Decision::Validate));
    }

    #[test]
    fn ipv6_network_of_64_bits_is_one_source() {
        let of = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
