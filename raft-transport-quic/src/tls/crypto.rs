//! The implementation of cryptography.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The provider for every TLS configuration of this crate, whatever the default of the process is.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
