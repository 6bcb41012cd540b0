//! Certificates for tests, made by OpenSSL in a folder of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// An authority, and certificates by its word: `server` for `localhost` and `127.0.0.1`, `client`, and `foreign` for another name.
#[derive(Debug)]
pub struct Certificates {
    dir: TempDir,
}

/// Names and the hosts that they stand for.
const LEAVES: [(&str, &str); 3] = [
    ("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
    ("client", "subjectAltName=DNS:client"),
    ("foreign", "subjectAltName=DNS:elsewhere.example"),
];

impl Certificates {
    /// Makes all of them.
    ///
    /// # Panics
    /// Where `openssl` is not installed.
    #[must_use]
    pub fn make() -> Self {
        let made =
            Self { dir: tempfile::Builder::new().prefix("vestibule-tls-").tempdir().expect("a folder for certificates") };
        let subject = ["-subj", "/CN=Vestibule test authority", "-addext", "basicConstraints=critical,CA:true"];
        made.request("ca", &[&["-x509", "-days", "2"], &subject[..]].concat());
        for (name, hosts) in LEAVES {
            made.request(name, &["-subj", &format!("/CN={name}")]);
            fs::write(made.path(&format!("{name}.ext")), hosts).expect("a file in the test's folder");
            let mut sign = made.openssl(&["x509", "-req", "-days", "2", "-CAcreateserial"]);
            sign.args(["-CA", "ca.pem", "-CAkey", "ca.key", "-in", &format!("{name}.pem"), "-extfile", &format!("{name}.ext")]);
            run(sign.args(["-out", &format!("{name}.signed")]));
            fs::rename(made.path(&format!("{name}.signed")), made.certificate(name)).expect("a file in the test's folder");
        }
        made
    }

    /// The file of a certificate; that of the authority is `ca`.
    #[must_use]
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.pem"))
    }

    /// The file of its key.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.key"))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn openssl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(self.dir.path());
        command
    }

    fn request(&self, name: &str, more: &[&str]) {
        let mut request = self.openssl(&["req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        request.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]).args(more);
        run(&mut request);
    }
}

fn run(command: &mut Command) {
    let done = command.output().expect("openssl is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A path as an argument.
pub(super) fn text(path: &Path) -> String {
    path.to_str().expect("paths of tests are text").to_owned()
}
