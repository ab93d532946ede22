//! All integration tests, in one binary.

#[cfg(feature = "server")]
mod bad_input;
#[cfg(feature = "server")]
mod client;
#[cfg(feature = "server")]
mod kv;
mod node;
#[cfg(feature = "server")]
mod process;
#[cfg(feature = "server")]
mod recorded;
#[cfg(feature = "server")]
mod tidy;
