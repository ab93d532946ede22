//! The current database, which a restore replaces.

use std::sync::{Arc, PoisonError, RwLock};

use super::database::Database;

/// The current database, for the threads that read it. A read uses one database from its beginning
/// to its end; a replaced one is closed when its last read ends.
#[derive(Clone)]
pub(super) struct SharedDatabase(Arc<RwLock<Arc<Database>>>);

impl SharedDatabase {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self(Arc::new(RwLock::new(database)))
    }

    /// The current database. Does not wait for the disk or for reads.
    pub(super) fn get(&self) -> Arc<Database> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the current database.
    pub(super) fn replace(&self, database: Arc<Database>) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let replaced = std::mem::replace(&mut *current, database);
        drop(current);
        // If this closes the database, it does so outside the lock.
        drop(replaced);
    }
}
