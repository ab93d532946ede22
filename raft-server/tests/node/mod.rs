//! A node from outside: its builder, its handle, its ends.

mod cluster;
mod failures;
mod lifecycle;
mod requests;
