//! Whose word counts for the certificate of a receiver.

use std::{fmt, fs, io, path::Path, sync::Arc};
use tokio_rustls::rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Certificate authorities. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Authorities(Arc<RootCertStore>);

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.0.len())
    }
}

/// Why a file gives no authorities.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrongAuthorities {
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("holds no certificate in PEM")]
    Empty,
    #[error("holds what is no certificate of an authority")]
    Malformed,
}

impl Authorities {
    /// Those of the machine.
    pub(crate) fn of_machine() -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            tracing::warn!(
                "no certificate authorities are found: nobody is reached over https; install ca-certificates, or name a tls_ca_file"
            );
        }
        Self(Arc::new(roots))
    }

    /// Those of a PEM file, and nobody else.
    ///
    /// # Errors
    /// The file cannot be read, or any of it is no certificate.
    pub(crate) fn read(file: &Path) -> Result<Self, WrongAuthorities> {
        let pem = fs::read(file).map_err(WrongAuthorities::Unreadable)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|_| WrongAuthorities::Malformed)?;
            roots.add(certificate).map_err(|_| WrongAuthorities::Malformed)?;
        }
        if roots.is_empty() { Err(WrongAuthorities::Empty) } else { Ok(Self(Arc::new(roots))) }
    }

    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        self.0.clone()
    }
}
