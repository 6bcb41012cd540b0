//! What a deployment makes once and keeps for ever: its salt, and the fingerprint of its secret.

use crate::{Answer, fault::Fault, id::UserId, id::UserTag, secret::KeyRing, secret::Mac, session::TokenDigest};

/// The salt behind all user tags. Made at the first start, never rotated: every token, id and key depends on it.
#[derive(Clone)]
pub struct Deployment {
    tags: Mac,
    salt: [u8; 32],
}

impl std::fmt::Debug for Deployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deployment(redacted)")
    }
}

impl Deployment {
    /// A deployment with this salt.
    #[must_use]
    pub fn new(salt: &[u8; 32]) -> Self {
        Self { tags: Mac::new(salt), salt: *salt }
    }

    /// The tag of a user: the first 12 bytes of HMAC-SHA-256(salt, user id).
    #[must_use]
    pub fn tag(&self, user: &UserId) -> UserTag {
        let mac = self.tags.sign(&[user.as_str().as_bytes()]);
        let mut tag = [0; UserTag::LEN];
        tag.copy_from_slice(&mac[..UserTag::LEN]);
        UserTag::from_bytes(tag)
    }

    /// The tag of whoever holds an imported session without a user: the same for the same token.
    pub(crate) fn tag_of_digest(&self, digest: &TokenDigest) -> UserTag {
        UserTag::from_bytes(self.pseudonym(b"\0import tag", digest.as_bytes()))
    }

    /// The serial of an imported session: the same for the same token.
    pub(crate) fn serial_of_digest(&self, digest: &TokenDigest) -> [u8; 12] {
        self.pseudonym(b"\0import serial", digest.as_bytes())
    }

    /// What stands for something that is not to be named where it is counted. A purpose begins with NUL: a user id has no
    /// control characters, so no user's tag is ever made of such bytes.
    pub(crate) fn pseudonym(&self, purpose: &[u8], name: &[u8]) -> [u8; 12] {
        let mac = self.tags.sign(&[purpose, name]);
        let mut first = [0; 12];
        first.copy_from_slice(&mac[..12]);
        first
    }
}

/// What a store keeps of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRecord {
    /// The salt of the user tags.
    pub salt: [u8; 32],
    /// [`crate::secret::KeyRing::fingerprint`] of the secret in use.
    pub fingerprint: [u8; 16],
}

/// Keeps the one [`DeploymentRecord`].
pub trait DeploymentStore: Send + Sync {
    /// Stores `fresh` if nothing is stored yet and returns what is stored then. One atomic step; safe to repeat.
    fn init(&self, fresh: DeploymentRecord) -> Answer<'_, DeploymentRecord>;

    /// Replaces the fingerprint, if it is still `from`. Returns whether it was.
    fn replace_fingerprint(&self, from: [u8; 16], to: [u8; 16]) -> Answer<'_, bool>;
}

/// How [`open`] ended.
#[derive(Debug)]
pub enum OpenOutcome {
    /// The store belongs to this secret.
    Opened(Deployment),
    /// The store was made with a secret that the ring does not hold: starting would end every session.
    ForeignSecret,
}

/// Opens the deployment that a store belongs to, or founds it.
///
/// # Errors
/// A [`Fault`] of the store.
pub async fn open(store: &dyn DeploymentStore, ring: &KeyRing) -> Result<OpenOutcome, Fault> {
    let fresh = DeploymentRecord { salt: crate::id::random(), fingerprint: ring.fingerprint() };
    let kept = store.init(fresh).await?;
    if !ring.knows(&kept.fingerprint) {
        return Ok(OpenOutcome::ForeignSecret);
    }
    if kept.fingerprint != ring.fingerprint() {
        store.replace_fingerprint(kept.fingerprint, ring.fingerprint()).await?;
    }
    Ok(OpenOutcome::Opened(Deployment::new(&kept.salt)))
}

/// How [`keep`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum KeepOutcome {
    /// The store knows this deployment.
    Kept,
    /// The store was emptied, and another process has founded another deployment in it, with other user tags. Nothing that this
    /// process holds fits the store any more: it must start again.
    Superseded,
}

/// Tells the deployment to a store that has lost it, as one without a disk does when it is emptied or restarted. A process that
/// starts later would else found another one, and the two would give the same user different tags.
///
/// # Errors
/// A [`Fault`] of the store, which will be told later.
pub async fn keep(store: &dyn DeploymentStore, deployment: &Deployment, ring: &KeyRing) -> Result<KeepOutcome, Fault> {
    let kept = store.init(DeploymentRecord { salt: deployment.salt, fingerprint: ring.fingerprint() }).await?;
    Ok(if kept.salt == deployment.salt { KeepOutcome::Kept } else { KeepOutcome::Superseded })
}
