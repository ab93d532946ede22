//! Connects to one of the addresses that a name resolves to.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long an attempt may run before the next address is tried beside it (RFC 8305 §5).
const ATTEMPT_DELAY_MAX: Duration = Duration::from_millis(100);

/// What became of the attempt at one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FailedAttempt<E> {
    pub(super) address: SocketAddr,
    /// Why it failed; `None` if it had not ended when time was up.
    pub(super) fault: Option<E>,
}

/// The addresses of `host:port`, each once, in the order in which they are to be tried.
///
/// # Errors
/// What to report of an address that cannot be resolved, or not within `deadline`.
pub(super) async fn resolve(address: &str, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    let found = match timeout_at(deadline, tokio::net::lookup_host(address)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(format!("is no host:port that can be resolved: {error}")),
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

/// Tries the addresses in order until one attempt succeeds. The next address is tried as soon as
/// an attempt fails, and beside those under way when they take long: an address that does not
/// answer costs the others little. All attempts have begun after half of `time`.
///
/// # Errors
/// What became of each address, in order, when all attempts have failed or `time` is over.
pub(super) async fn connect_to_any<T, E, F>(
    addresses: &[SocketAddr],
    time: Duration,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<FailedAttempt<E>>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut tried: Vec<FailedAttempt<E>> =
        addresses.iter().map(|&address| FailedAttempt { address, fault: None }).collect();
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
                let (place, outcome): (usize, Result<T, E>) = ended;
                match outcome {
                    Ok(connected) => return Ok(connected),
                    Err(fault) => tried[place].fault = Some(fault),
                }
                next_attempt = Instant::now();
            }
            () = sleep_until(next_attempt), if remaining.len() > 0 => {
                if let Some((place, address)) = remaining.next() {
                    let attempt = connect(address);
                    attempts.push(async move { (place, attempt.await) });
                }
                next_attempt = Instant::now() + attempt_delay;
            }
            () = sleep_until(deadline) => break,
        }
    }
    Err(tried)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;

    use super::*;

    /// No test waits that long.
    const TIME: Duration = Duration::from_secs(20);

    fn addresses(count: u16) -> Vec<SocketAddr> {
        (1..=count).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect()
    }

    /// Packets to the first address may vanish.
    #[tokio::test]
    async fn an_address_that_does_not_answer_does_not_hold_up_the_next() {
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

    /// An attempt that takes longer than the delay is not given up for the next.
    #[tokio::test]
    async fn a_slow_attempt_goes_on_beside_the_next() {
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
    async fn each_address_is_reported_with_its_fault() {
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
            .map(|(&address, fault)| FailedAttempt { address, fault })
            .collect();
        assert_eq!(failed.await, Err(expected));
    }
}
