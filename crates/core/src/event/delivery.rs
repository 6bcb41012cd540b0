//! Where it is kept how far the delivery of events to somebody outside has come.

use crate::Answer;

/// What a store keeps of one delivery. What is in it is the deliverer's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryDocument {
    /// 1, 2, 3 and so on: raised with each change.
    pub version: u64,
    /// The document.
    pub bytes: Vec<u8>,
}

/// Keeps a document for each delivery.
pub trait DeliveryStore: Send + Sync {
    /// What is stored under a name. A read.
    fn delivery(&self, name: &str) -> Answer<'_, Option<DeliveryDocument>>;

    /// Stores a document of version `v` where one of version `v - 1` is stored, or none for version 1. One atomic step. Whether it did; a
    /// repeat does not, so after a lost answer read what is stored.
    fn replace_delivery(&self, name: &str, document: DeliveryDocument) -> Answer<'_, bool>;
}
