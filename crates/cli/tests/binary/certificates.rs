//! Certificates that cannot work, and those that surprise; files that are renewed while the server runs.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

use crate::certificate::is_trusted_as;
use crate::home::{Home, eventually, free_address, metric, run};

const HOST: &str = "id.example.com";

/// An authority, one below it, and what the latter signs.
struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    below: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
struct Made {
    certificate: String,
    key: String,
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    fn get() -> &'static Self {
        static MADE: OnceLock<Authority> = OnceLock::new();
        MADE.get_or_init(|| {
            let ca = |name: &str| {
                let mut params = named(name, &[]);
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params
            };
            let key = || KeyPair::generate().unwrap();
            let root = CertifiedIssuer::self_signed(ca("Root"), key()).unwrap();
            let below = CertifiedIssuer::signed_by(ca("Below"), key(), &root).unwrap();
            Self { root, below }
        })
    }

    fn sign(hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Made {
        let mut params = named("server", hosts);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &Self::get().below).unwrap();
        Made { certificate: signed.pem(), key: key.serialize_pem() }
    }
}

/// An installation with a certificate for [`HOST`], whose authority is known.
fn home() -> Home {
    let home = Home::new();
    let keys = "issuer = \"https://id.example.com\"\nhttp.listen = \"0.0.0.0:443\"\nops.listen = \"off\"\n\
        http.certificate = \"tls.crt\"\nhttp.private_key = \"tls.key\"\noutbound.ca_file = \"ca.crt\"\n";
    fs::write(home.file("remint.toml"), keys).unwrap();
    fs::write(home.file("ca.crt"), Authority::get().root.pem()).unwrap();
    home
}

/// Closed to all others, as it must be.
fn write_key(file: &Path, key: impl AsRef<[u8]>) {
    fs::write(file, key).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn install(home: &Home, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) {
    fs::write(home.file("tls.crt"), certificate).unwrap();
    write_key(&home.file("tls.key"), key);
}

/// Everything that `config check` prints.
fn check(home: &Home) -> String {
    let ran = home.run(&["config", "check"]);
    format!("{}{}", ran.stdout, ran.stderr)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_certificate_that_surprises_is_pointed_out_and_a_right_one_is_not() {
    let home = home();
    let below = Authority::get().below.pem();
    let root = Authority::get().root.pem();
    let chain = |made: &Made| format!("{}{below}", made.certificate);
    let right = Authority::sign(&[HOST], |_| {});
    let wildcard = Authority::sign(&["*.example.com"], |_| {});
    let capital = Authority::sign(&["ID.Example.COM"], |_| {});
    for good in [&right, &wildcard, &capital] {
        install(&home, chain(good), &good.key);
        assert_eq!(check(&home), "The configuration is good.\n");
    }
    install(&home, format!("{}{root}", chain(&right)), &right.key);
    assert_eq!(check(&home), "The configuration is good.\n", "with the root, which nobody needs");

    let other = Authority::sign(&["other.example", "192.0.2.7"], |_| {});
    let deeper = Authority::sign(&["*.com", "*.id.example.com"], |_| {});
    let nameless = Authority::sign(&[], |_| {});
    let expired = Authority::sign(&[HOST], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let early = Authority::sign(&[HOST], |params| params.not_before = date_time_ymd(2990, 1, 1));
    let authority = Authority::sign(&[HOST], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let for_clients = Authority::sign(&[HOST], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let self_made = {
        let key = KeyPair::generate().unwrap();
        let made = named("server", &[HOST]).self_signed(&key).unwrap();
        Made { certificate: made.pem(), key: key.serialize_pem() }
    };
    let sha1 = include_str!("weak/sha1.crt");
    for (certificate, key, sentence) in [
        (
            chain(&other),
            &other.key,
            "the certificate is for other.example, 192.0.2.7, but issuer is at id.example.com: have one made",
        ),
        (
            chain(&deeper),
            &deeper.key,
            "the certificate is for *.com, *.id.example.com, but issuer is at",
        ),
        (chain(&nameless), &nameless.key, "the certificate names no host as subjectAltName"),
        (
            chain(&expired),
            &expired.key,
            "the certificate expired at 2021-01-01T00:00:00Z, and clients refuse it: renew it",
        ),
        (chain(&early), &early.key, "the certificate is not valid before 2990-01-01T00:00:00Z"),
        (chain(&authority), &authority.key, "the certificate is one of an authority (CA:TRUE)"),
        (
            chain(&for_clients),
            &for_clients.key,
            "the certificate is not for servers (extendedKeyUsage has no serverAuth)",
        ),
        (
            right.certificate.clone(),
            &right.key,
            "the chain ends with one signed by \"CN=Below\", which this machine does not trust: append the certificates in between",
        ),
        (
            format!("{}{root}{below}", right.certificate),
            &right.key,
            "certificate number 2 is not that of the authority which signed number 1",
        ),
        (
            self_made.certificate.clone(),
            &self_made.key,
            "the certificate is self-signed, and no client trusts it",
        ),
        (
            sha1.to_owned(),
            &include_str!("weak/sha1.key").to_owned(),
            "the certificate is signed by a hash that is broken (MD5 or SHA-1)",
        ),
    ] {
        install(&home, certificate, key);
        let text = check(&home);
        assert!(text.starts_with("The configuration can be used, but look at this:\n"), "{text}");
        assert!(text.contains("tls.crt: ") && text.contains(sentence), "{sentence}: {text}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_certificate_that_cannot_work_is_refused_with_what_to_do() {
    let home = home();
    let right = Authority::sign(&[HOST], |_| {});
    let other = Authority::sign(&[HOST], |_| {});
    let below = Authority::get().below.pem();
    let (certificate, key) = (&right.certificate, &right.key);
    let der = |pem: &str| {
        use base64::Engine as _;
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        base64::engine::general_purpose::STANDARD.decode(body).unwrap()
    };
    let with_mark = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let utf_16: Vec<u8> = std::iter::once(0xfeff)
        .chain(certificate.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let request = {
        let key = KeyPair::generate().unwrap();
        named("server", &[HOST]).serialize_request(&key).unwrap().pem().unwrap()
    };
    let damaged = certificate.replacen("MII", "MIJ", 1);
    let cut = certificate[..certificate.len() - 60].to_owned();
    let text = |text: &str| text.as_bytes().to_vec();
    for (certificate, key, at, sentence) in [
        (
            with_mark(certificate),
            text(key),
            "tls.crt",
            "it begins with a byte order mark, as some editors write it",
        ),
        (text(certificate), with_mark(key), "tls.key", "it begins with a byte order mark"),
        (utf_16, text(key), "tls.crt", "it is UTF-16: save it as plain ASCII"),
        (
            der(certificate),
            text(key),
            "tls.crt",
            "the certificate is in DER, or in PKCS #12, not in PEM: run `openssl x509 -inform der",
        ),
        (
            text(certificate),
            der(key),
            "tls.key",
            "the private key is in DER, or in PKCS #12, not in PEM: run `openssl pkey -inform der",
        ),
        (Vec::new(), text(key), "tls.crt", "it is empty"),
        (text(key), text(key), "tls.crt", "there is no PEM certificate in it, but a private key"),
        (
            text(certificate),
            text(certificate),
            "tls.key",
            "there is no PEM private key in it, but a certificate",
        ),
        (
            text(&request),
            text(key),
            "tls.crt",
            "there is no PEM certificate in it, but the request for one",
        ),
        (text("hello"), text(key), "tls.crt", "it begins with -----BEGIN CERTIFICATE-----"),
        (text(certificate), text("hello"), "tls.key", "it begins with -----BEGIN PRIVATE KEY-----"),
        (text(&cut), text(key), "tls.crt", "it is cut off or damaged"),
        (text(&damaged), text(key), "tls.crt", "certificate number 1 in it is damaged"),
        (
            text(certificate),
            text(include_str!("weak/encrypted.key")),
            "tls.key",
            "the private key is encrypted, and nobody is there to type its password: run `openssl pkey",
        ),
        (
            text(certificate),
            text(include_str!("weak/encrypted-traditional.key")),
            "tls.key",
            "the private key is encrypted",
        ),
        (
            text(include_str!("weak/rsa1024.crt")),
            text(include_str!("weak/rsa1024.key")),
            "tls.crt",
            "the certificate's RSA key has 1024 bits, which clients refuse: make one of at least 2048",
        ),
        (
            text(certificate),
            text(&other.key),
            "tls.key",
            "do not work together: the key is that of another certificate",
        ),
        (
            text(&format!("{below}{certificate}")),
            text(key),
            "tls.crt",
            "the key is that of certificate number 2 in the file: put that one first",
        ),
    ] {
        install(&home, certificate, key);
        for command in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let error = home.run(command).failed();
            assert!(error.contains(at) && error.contains(sentence), "{sentence}: {error}");
            assert_eq!(
                error.lines().filter(|line| line.starts_with("remint: ")).count(),
                1,
                "{error}"
            );
        }
    }
    fs::remove_file(home.file("tls.key")).unwrap();
    let error = home.run(&["config", "check"]).failed();
    assert!(
        error.contains("tls.key cannot be read by") && error.contains("No such file"),
        "{error}"
    );
}

#[test]
fn authorities_that_cannot_be_read_are_refused_and_not_passed_over() {
    let home = home();
    let right = Authority::sign(&[HOST], |_| {});
    install(&home, format!("{}{}", right.certificate, Authority::get().below.pem()), &right.key);
    let fault = |name: &str, value: &str| {
        let mut all = Vec::new();
        for arguments in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let mut command = home.command(arguments);
            command.env(name, value);
            all.push(run(command, "").failed());
        }
        all
    };
    fs::write(home.file("none.crt"), "nothing").unwrap();
    let none = home.file("none.crt").display().to_string();
    for (name, value, part) in [
        (
            "SSL_CERT_FILE",
            "/no/such/file.pem",
            "SSL_CERT_FILE = \"/no/such/file.pem\" does not work here: No such file",
        ),
        ("SSL_CERT_FILE", "", "SSL_CERT_FILE = \"\" does not work here"),
        ("SSL_CERT_FILE", &none, "there is no PEM certificate in it"),
        (
            "SSL_CERT_DIR",
            "/no/such/dir",
            "SSL_CERT_DIR = \"/no/such/dir\" does not work here: No such file",
        ),
    ] {
        for error in fault(name, value) {
            assert!(error.contains(part) && error.contains("or unset it"), "{error}");
        }
    }
    for (text, part) in [
        (None, "ca.crt: the certificate cannot be read: No such file"),
        (Some("nothing"), "ca.crt: there is no PEM certificate in it"),
        (Some(right.key.as_str()), "ca.crt: there is no PEM certificate in it, but a private key"),
    ] {
        match text {
            Some(text) => fs::write(home.file("ca.crt"), text).unwrap(),
            None => fs::remove_file(home.file("ca.crt")).unwrap(),
        }
        for arguments in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let error = home.run(arguments).failed();
            assert!(error.contains(part), "{error}");
        }
    }
}

#[test]
fn a_self_signed_certificate_of_another_host_says_how_to_get_a_new_one() {
    let home = Home::new();
    home.set("http.plain", "false");
    home.serve().stop();
    home.set("issuer", "\"https://id.example.com\"");
    let text = check(&home);
    let sentence = "but issuer is at id.example.com: remove self-signed.crt and self-signed.key";
    assert!(text.contains(sentence), "{text}");
}

/// When the certificate expires, as the metrics have it.
fn expiry(ops: SocketAddr) -> Option<u64> {
    metric(ops, "remint_tls_certificate_expiry_timestamp_seconds")
}

/// A self-signed certificate for this machine until the first day of a year, in a directory.
fn until(year: i32, dir: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = named(&format!("until {year}"), &["localhost"]);
    params.not_after = date_time_ymd(year, 1, 1);
    fs::write(dir.join("tls.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    write_key(&dir.join("tls.key"), key.serialize_pem());
}

const IN_2040: u64 = 2_208_988_800;
const IN_2041: u64 = 2_240_611_200;

#[test]
fn renewed_files_are_taken_without_a_signal_and_a_broken_pair_is_told_once() {
    let home = Home::new();
    let ops = free_address();
    home.set("ops.listen", &format!("\"{ops}\""));
    home.set("http.plain", "false");
    home.set("http.certificate", "\"tls.crt\"");
    home.set("http.private_key", "\"tls.key\"");
    let made = [2040, 2041, 2020].map(|year| {
        let dir = tempfile::tempdir().unwrap();
        until(year, dir.path());
        dir
    });
    let copy = |from: &Path, name: &str| {
        fs::copy(from.join(name), home.file(name)).unwrap();
    };
    let [old, new, expired] = made.each_ref().map(tempfile::TempDir::path);
    copy(old, "tls.crt");
    copy(old, "tls.key");
    let server = home.serve();
    assert!(is_trusted_as("localhost", &server, &old.join("tls.crt")));
    assert_eq!(expiry(ops), Some(IN_2040));
    // The certificate alone does not fit its key.
    copy(new, "tls.crt");
    eventually("it is told", || home.log().contains("the old certificate stays"));
    assert!(is_trusted_as("localhost", &server, &old.join("tls.crt")));
    copy(new, "tls.key");
    eventually("the new pair is used", || {
        is_trusted_as("localhost", &server, &new.join("tls.crt"))
    });
    eventually("the metric follows", || expiry(ops) == Some(IN_2041));
    assert_eq!(home.log().matches("the old certificate stays").count(), 1, "{}", home.log());
    copy(expired, "tls.key");
    copy(expired, "tls.crt");
    eventually("it is told", || home.log().contains("the new one has expired already"));
    assert!(is_trusted_as("localhost", &server, &new.join("tls.crt")));
    fs::remove_file(home.file("tls.crt")).unwrap();
    eventually("it is told", || home.log().contains("tls.crt: the certificate cannot be read"));
    assert!(is_trusted_as("localhost", &server, &new.join("tls.crt")));
    assert_eq!(expiry(ops), Some(IN_2041));
}

#[test]
fn a_secret_of_kubernetes_is_taken_when_its_link_is_swapped() {
    let home = Home::new();
    home.set("http.plain", "false");
    home.set("http.certificate", "\"secret/tls.crt\"");
    home.set("http.private_key", "\"secret/tls.key\"");
    let secret = home.file("secret");
    for (name, year) in [("..2026_01", 2040), ("..2026_02", 2041)] {
        fs::create_dir_all(secret.join(name)).unwrap();
        until(year, &secret.join(name));
    }
    symlink("..2026_01", secret.join("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), secret.join(name)).unwrap();
    }
    let server = home.serve();
    let is_trusted =
        |name: &str| is_trusted_as("localhost", &server, &secret.join(name).join("tls.crt"));
    assert!(is_trusted("..2026_01") && !is_trusted("..2026_02"));
    symlink("..2026_02", secret.join("..data_tmp")).unwrap();
    fs::rename(secret.join("..data_tmp"), secret.join("..data")).unwrap();
    eventually("the new pair is used", || is_trusted("..2026_02"));
    fs::remove_dir_all(secret.join("..2026_01")).unwrap();
    assert!(server.stop().success());
    let log = home.log();
    assert!(!log.contains("the old certificate stays"), "{log}");
}
