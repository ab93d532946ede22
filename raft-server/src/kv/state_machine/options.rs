//! How the store uses the machine.

/// How the store uses the machine. No option changes the output of a command: the
/// [`Rules`](super::Rules) decide that, and they are the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KvOptions {
    /// Memory for blocks that were read, in bytes.
    pub block_cache_bytes: usize,
    /// Memory of one column family for what is not yet in a table file, in bytes; up to two such
    /// buffers are full at a time.
    pub write_buffer_bytes: usize,
}

impl Default for KvOptions {
    fn default() -> Self {
        Self { block_cache_bytes: 128 << 20, write_buffer_bytes: 64 << 20 }
    }
}
