//! Runs handshakes on a thread of their own.
//!
//! A TLS handshake takes about a millisecond of computation, or more if the other side presents an
//! expensive certificate chain, and quinn computes it in the task of the connection. Many
//! handshakes on the threads of established connections, and of Raft itself, would delay heartbeats
//! until elections follow. [`HandshakeRuntime`] therefore runs the task of a new connection on a
//! separate thread until the handshake is complete, and then moves it to the runtime of the caller.
//! Established connections do not use the separate thread.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};
use tokio::runtime::{Builder, Handle, Id};
use tokio::time::{Sleep, sleep_until};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

tokio::task_local! {
    /// Set while quinn starts a connection: identifies the task of that connection.
    static STARTING: Handshake;
}

/// A [`quinn::Runtime`] whose connection tasks run on a separate thread until their handshake is
/// complete, and on the tokio runtime of the caller afterwards.
pub struct HandshakeRuntime {
    established: Handle,
    /// Its thread stops when this is dropped, which happens with the last connection. Always set
    /// before that.
    handshakes: Option<tokio::runtime::Runtime>,
}

/// A handshake in progress. If it is dropped without [`Handshake::complete`], the task of the
/// connection stays on the thread of the handshakes.
#[derive(Clone, Debug)]
pub struct Handshake {
    progress: Arc<Progress>,
}

#[derive(Default, Debug)]
struct Progress {
    complete: AtomicBool,
    /// Wakes the task of the connection.
    task: Mutex<Option<Waker>>,
}

impl HandshakeRuntime {
    /// Starts the thread of the handshakes. Must be called inside the tokio runtime for established
    /// connections.
    ///
    /// # Errors
    /// When the system refuses a thread.
    ///
    /// # Panics
    /// When called outside a tokio runtime.
    pub fn start(thread_name: &str) -> io::Result<Arc<Self>> {
        let established = Handle::current();
        let handshakes = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(thread_name)
            .enable_time()
            .build()?;
        Ok(Arc::new(Self { established, handshakes: Some(handshakes) }))
    }

    /// Runs a task on the thread of the handshakes.
    pub fn spawn_handshake(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(handshakes) = &self.handshakes {
            handshakes.spawn(task);
        }
    }

    /// Calls `begin`, which makes quinn accept or dial one connection. The task of that connection
    /// runs on the thread of the handshakes until [`Handshake::complete`] is called.
    pub fn begin<T>(begin: impl FnOnce() -> T) -> (Handshake, T) {
        let handshake = Handshake { progress: Arc::default() };
        let begun = STARTING.sync_scope(handshake.clone(), begin);
        (handshake, begun)
    }
}

impl Handshake {
    /// Moves the task of the connection to the runtime of established connections.
    pub fn complete(self) {
        self.progress.complete.store(true, Ordering::Release);
        let task = self.progress.lock().take();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Progress {
    /// Returns whether the handshake is complete. If not, the task is woken when it is.
    fn poll_complete(&self, context: &Context<'_>) -> bool {
        // The waker is stored before the flag is read, and `complete` sets the flag before it reads
        // the waker. So the flag is seen here, or the waker there.
        let mut task = self.lock();
        if !task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            *task = Some(context.waker().clone());
        }
        drop(task);
        self.complete.load(Ordering::Acquire)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runtime for HandshakeRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        let at = at.into();
        Box::pin(Timer { runtime: Handle::current().id(), sleep: Box::pin(sleep_until(at)) })
    }

    fn spawn(&self, task: Task) {
        match STARTING.try_with(Handshake::clone) {
            Ok(Handshake { progress }) => {
                let established = self.established.clone();
                self.spawn_handshake(Connecting { task: Some(task), progress, established });
            }
            // The task of the endpoint.
            Err(_) => drop(self.established.spawn(task)),
        }
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let _inside = self.established.enter();
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}

impl Drop for HandshakeRuntime {
    fn drop(&mut self) {
        if let Some(handshakes) = self.handshakes.take() {
            // This may run inside a runtime, which must not be blocked.
            handshakes.shutdown_background();
        }
    }
}

impl fmt::Debug for HandshakeRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeRuntime").finish_non_exhaustive()
    }
}

/// A timer that moves with the task of its connection. A timer of tokio belongs to the runtime in
/// which it was created, and must not be used after that runtime has stopped.
#[derive(Debug)]
struct Timer {
    /// The runtime in which `sleep` was created.
    runtime: Id,
    sleep: Pin<Box<Sleep>>,
}

impl Timer {
    /// The timer of the current runtime.
    fn sleep(&mut self) -> Pin<&mut Sleep> {
        let current = Handle::current().id();
        if self.runtime != current {
            self.runtime = current;
            self.sleep = Box::pin(sleep_until(self.sleep.deadline()));
        }
        self.sleep.as_mut()
    }
}

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.sleep().reset(at.into());
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Future::poll(self.sleep(), context)
    }
}

/// The task of a connection during its handshake.
struct Connecting {
    /// `None` after the task has moved.
    task: Option<Task>,
    progress: Arc<Progress>,
    established: Handle,
}

impl Future for Connecting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let is_complete = self.progress.poll_complete(context);
        let Some(task) = &mut self.task else { return Poll::Ready(()) };
        if !is_complete {
            return task.as_mut().poll(context);
        }
        if let Some(task) = self.task.take() {
            // Its first poll there handles all events until then.
            self.established.spawn(task);
        }
        Poll::Ready(())
    }
}
