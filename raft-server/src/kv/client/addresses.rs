//! Connects to one of the addresses that a name resolves to.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long an attempt may run before the next one begins in parallel (RFC 8305 §5).
const ATTEMPT_DELAY_MAX: Duration = Duration::from_millis(100);

/// An attempt at one address that did not succeed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FailedAttempt<E> {
    pub(super) address: SocketAddr,
    /// Why it failed; `None` if it was still running when the time expired.
    pub(super) error: Option<E>,
}

/// The addresses of `host:port` without duplicates, in the order in which they are tried.
///
/// # Errors
/// Why the name cannot be resolved, or that it was not resolved before `deadline`.
pub(super) async fn resolve(address: &str, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    let found = match timeout_at(deadline, tokio::net::lookup_host(address)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(format!("cannot be resolved as host:port: {error}")),
        Err(_) => return Err("the name was not resolved in time".to_owned()),
    };
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("the name has no address".to_owned()) } else { Ok(addresses) }
}

/// Tries the addresses in order until one attempt succeeds. The next attempt begins when one fails,
/// or in parallel when the others take long: an unreachable address delays the others little. All
/// attempts have begun after half of `time`.
///
/// # Errors
/// The failure of each address, in order, when all attempts have failed or `time` has expired.
pub(super) async fn connect_to_any<T, E, F>(
    addresses: &[SocketAddr],
    time: Duration,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<FailedAttempt<E>>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut failures: Vec<FailedAttempt<E>> =
        addresses.iter().map(|&address| FailedAttempt { address, error: None }).collect();
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let attempt_delay = ATTEMPT_DELAY_MAX.min(time / 2 / count);
    let deadline = Instant::now() + time;
    let mut remaining = addresses.iter().copied().enumerate();
    let mut attempts = FuturesUnordered::new();
    let mut next_attempt = Instant::now();
    while remaining.len() > 0 || !attempts.is_empty() {
        tokio::select! {
            biased;
            Some(ended) = attempts.next() => {
                let (index, outcome): (usize, Result<T, E>) = ended;
                match outcome {
                    Ok(connected) => return Ok(connected),
                    Err(error) => failures[index].error = Some(error),
                }
                next_attempt = Instant::now();
            }
            () = sleep_until(next_attempt), if remaining.len() > 0 => {
                if let Some((index, address)) = remaining.next() {
                    let attempt = connect(address);
                    attempts.push(async move { (index, attempt.await) });
                }
                next_attempt = Instant::now() + attempt_delay;
            }
            () = sleep_until(deadline) => break,
        }
    }
    Err(failures)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;

    use super::*;

    /// Longer than any test waits.
    const TIME: Duration = Duration::from_secs(20);

    fn addresses(count: u16) -> Vec<SocketAddr> {
        (1..=count).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect()
    }

    /// Packets to the first address may be lost.
    #[tokio::test]
    async fn unreachable_address_does_not_delay_the_next() {
        let begun = RefCell::new(Vec::new());
        let addresses = addresses(3);
        let connected = connect_to_any(&addresses, TIME, |address| {
            begun.borrow_mut().push(address.port());
            async move {
                match address.port() {
                    2 => Ok::<_, &str>("second"),
                    _ => pending().await,
                }
            }
        });
        assert_eq!(connected.await, Ok("second"));
        assert_eq!(*begun.borrow(), [1, 2], "the addresses are tried in order");
    }

    /// An attempt that takes longer than the delay is not cancelled when the next one begins.
    #[tokio::test]
    async fn slow_attempt_continues_in_parallel_with_the_next() {
        let (done, slow) = tokio::sync::watch::channel(false);
        let addresses = addresses(2);
        let connected = connect_to_any(&addresses, TIME, |address| {
            let (done, mut slow) = (done.clone(), slow.clone());
            async move {
                if address.port() == 2 {
                    done.send_replace(true);
                    return pending::<Result<u16, ()>>().await;
                }
                slow.wait_for(|done| *done).await.map_err(drop)?;
                Ok(address.port())
            }
        });
        assert_eq!(connected.await, Ok(1));
    }

    #[tokio::test]
    async fn each_address_is_reported_with_its_error() {
        let addresses = addresses(3);
        let failed = connect_to_any(&addresses, Duration::from_millis(50), |address| async move {
            match address.port() {
                2 => pending().await,
                port => Err::<(), _>(port),
            }
        });
        let expected: Vec<_> = addresses
            .iter()
            .zip([Some(1), None, Some(3)])
            .map(|(&address, error)| FailedAttempt { address, error })
            .collect();
        assert_eq!(failed.await, Err(expected));
    }
}
