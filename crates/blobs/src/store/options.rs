//! Settings of a store.

/// How a store keeps its blobs.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Acknowledged means on disk, also after power loss.
    pub durable: bool,
    /// Bytes of all blobs; more is `STORE_FULL`.
    pub max_bytes: Option<u64>,
    /// Data up to this size lies in the catalog.
    pub inline_data_bytes: u64,
    /// Outboards up to this size lie in the catalog.
    pub inline_outboard_bytes: u64,
    /// Blobs that are filled at once, with up to two open files each; one more is `STORE_BUSY`.
    pub max_filling: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            durable: true,
            max_bytes: None,
            inline_data_bytes: 16 * 1024,
            inline_outboard_bytes: 16 * 1024,
            max_filling: 4096,
        }
    }
}
