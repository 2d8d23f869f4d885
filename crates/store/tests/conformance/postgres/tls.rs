//! TLS to the server: with proof of its name, or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use remint_store::postgres::Settings;
use remint_store::{OpenError, Store};
use remint_testbed::Cluster;
use tempfile::TempDir;

use super::{on_cluster, populated, refused, works_again};
use crate::backend::{on_postgres, settings, soon};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ca::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn write(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let file = dir.path().join(name);
    fs::write(&file, text).unwrap();
    file
}

/// The server writes its own files, so that they are its own and only it can read the key.
fn encrypt(cluster: &Cluster, ca: &Ca, name: &str) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, ca).unwrap();
    for (file, text) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
        let lines: Vec<_> = text.lines().map(|line| format!("('{line}')")).collect();
        let lines = lines.join(", ");
        let sql = format!("COPY (VALUES {lines}) TO PROGRAM 'umask 077; cat > {file}'");
        cluster.execute("postgres", &sql);
    }
    cluster.execute("postgres", "ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf()");
}

fn verified(url: &str, host: &str, ca: &Path) -> Settings {
    let url = url.replace("127.0.0.1", host).replace("sslmode=disable", "sslmode=verify-full");
    Settings { ca_file: Some(ca.to_owned()), ..settings(&url) }
}

#[test]
fn a_server_that_proves_its_name_is_used_over_tls_and_no_other() {
    on_cluster(async |cluster| {
        let dir = tempfile::tempdir().unwrap();
        let (ca, other) = (authority("ours"), authority("another"));
        let file = write(&dir, "ca.pem", &ca.pem());
        let other = write(&dir, "other.pem", &other.pem());
        encrypt(&cluster, &ca, "localhost");
        let database = cluster.create_database();
        let url = database.url();
        let (direct, _, families) = populated(&url, 1).await;
        direct.close().await;

        soon("it reads its new settings", async || {
            Store::connect(verified(&url, "localhost", &file)).await.is_ok()
        })
        .await;
        let store = Store::connect(verified(&url, "localhost", &file)).await.unwrap();
        works_again(&store, &families[0]).await;
        let encrypted = database.execute(
            "SELECT bool_and(ssl), count(*) >= 3 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE application_name = 'remint'",
        );
        assert_eq!(encrypted, "t|t");

        for (host, file, reason) in [
            ("127.0.0.1", &file, "certificate not valid for name \"127.0.0.1\""),
            ("localhost", &other, "invalid peer certificate: UnknownIssuer"),
        ] {
            let error = refused(verified(&url, host, file)).await.to_string();
            let begins = error.starts_with("cannot use the database postgres://remint@");
            assert!(begins && error.contains(reason), "{error}");
        }
        let nobody = Settings { ca_file: None, ..verified(&url, "localhost", &file) };
        assert!(refused(nobody).await.to_string().contains("UnknownIssuer"));
    });
}

#[test]
fn a_server_without_tls_and_files_without_certificates_are_refused_by_name() {
    on_postgres(async |place| {
        let dir = tempfile::tempdir().unwrap();
        let file = write(&dir, "ca.pem", &authority("ours").pem());
        let url = place.database().url();
        if place.database().execute("SHOW ssl") == "off" {
            let error = refused(verified(&url, "127.0.0.1", &file)).await.to_string();
            assert!(error.ends_with("server does not support TLS"), "{error}");
        }
        let empty = write(&dir, "empty.pem", "");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let broken = write(&dir, "broken.pem", broken);
        for file in [empty, broken, dir.path().join("absent.pem")] {
            let error = refused(verified(&url, "127.0.0.1", &file)).await;
            assert!(matches!(error, OpenError::Certificates { .. }), "{error}");
            assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        }
    });
}
