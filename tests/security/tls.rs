//! HTTPS, and clients who are known by their certificates.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::cli_support::{Daemon, Place, stderr, stdout};
use crate::roles::{LINES, OPERATE, READ, own_address, place};

/// An authority, and the files that it makes in a folder.
struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    fn new(place: &Place, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(place.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        Self(Issuer::new(params, key))
    }

    /// `FILE.pem` and `FILE.key`, for these names; and the fingerprint.
    fn certify(&self, place: &Place, file: &str, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(place.path(&format!("{file}.pem")), certificate.pem()).unwrap();
        std::fs::write(place.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect()
    }
}

/// A folder with an authority, and a server's certificate of it.
fn with_authority() -> (Place, Authority) {
    let place = place();
    let authority = Authority::new(&place, "ca");
    authority.certify(&place, "server", &["127.0.0.1", "localhost"]);
    (place, authority)
}

const HTTPS: [&str; 4] = [
    "--set",
    "admin.tls.cert=server.pem",
    "--set",
    "admin.tls.key_file=server.key",
];
const MUTUAL: [&str; 2] = ["--set", "admin.tls.client_ca=ca.pem"];

/// Runs a command against the daemon, by HTTPS.
fn ask(place: &Place, daemon: &Daemon, arguments: &[&str]) -> Output {
    let url = format!("https://{}", daemon.address);
    place.run(&[arguments, &["--admin", &url]].concat())
}

/// Runs a command that believes the authority `ca` and shows the token in the file `token`.
fn ask_with_token(
    place: &Place,
    daemon: &Daemon,
    command: &[&str],
    ca: &str,
    token: &str,
) -> Output {
    let shown = ["--ca", ca, "--token-file", token];
    ask(place, daemon, &[command, &shown].concat())
}

/// Posts a line to an address by HTTPS; the answer's head, or why there is none.
fn post(
    place: &Place,
    address: &str,
    identity: Option<&str>,
    token: &str,
) -> Result<String, String> {
    let read = |name: &str| {
        CertificateDer::pem_file_iter(place.path(name))
            .unwrap()
            .map(Result::unwrap)
    };
    let mut roots = RootCertStore::empty();
    read("ca.pem").for_each(|ca| roots.add(ca).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(name) => {
            let chain = read(&format!("{name}.pem")).collect();
            let key = PrivateKeyDer::from_pem_file(place.path(&format!("{name}.key"))).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let request = format!(
        "POST /ingest/lines HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Length: 4\r\n\r\none\n"
    );
    stream
        .write_all(request.as_bytes())
        .map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .map_err(|error| error.to_string())?;
    Ok(answer)
}

#[test]
fn commands_speak_https_and_show_their_token() {
    let (place, _) = with_authority();
    let daemon = place.start(
        &[
            &HTTPS[..],
            &[
                "--set",
                "admin.token_file=operate",
                "--set",
                "admin.read_token_file=read",
                "--set",
                "log.level=trace",
            ],
        ]
        .concat(),
    );
    let with =
        |token: &str, command: &[&str]| ask_with_token(&place, &daemon, command, "ca.pem", token);
    let good = with("read", &["status"]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    assert!(stdout(&good).starts_with("wordcount: active"));
    let looked = with("read", &["checkpoint", "create"]);
    assert!(
        stderr(&looked).contains("needs the operator role"),
        "{}",
        stderr(&looked)
    );
    let cut = with("operate", &["checkpoint", "create"]);
    assert_eq!(cut.status.code(), Some(0), "{}", stderr(&cut));

    // An authority that isn't believed, and the plain protocol.
    Authority::new(&place, "other");
    let strange = ask(&place, &daemon, &["status", "--ca", "other.pem"]);
    assert_eq!(strange.status.code(), Some(1));
    assert!(stderr(&strange).contains("--ca"), "{}", stderr(&strange));
    let plain = place.run(&["status", "--admin", &daemon.url()]);
    assert_eq!(plain.status.code(), Some(1), "{}", stdout(&plain));
    let url = format!("https://{}", daemon.address);
    assert!(daemon.log().contains(&format!("answers on {url}")));

    let key = std::fs::read_to_string(place.path("server.key")).unwrap();
    for secret in [key.lines().nth(1).unwrap(), READ, OPERATE] {
        assert!(!daemon.log().contains(secret));
    }
    daemon.stop();
}

#[test]
fn a_certificate_shows_a_role() {
    let (place, authority) = with_authority();
    authority.certify(&place, "ops", &["ops.example"]);
    authority.certify(&place, "reader", &["reader.example"]);
    let fingerprint = authority.certify(&place, "nameless", &[]);
    Authority::new(&place, "other").certify(&place, "stranger", &["ops.example"]);
    let operators = format!("admin.tls.operators=['ops.example', 'sha256:{fingerprint}']");
    let mut daemon = place.start(&[&HTTPS[..], &MUTUAL, &["--set", &operators]].concat());
    let with = |name: &str, command: &[&str]| {
        let (cert, key) = (format!("{name}.pem"), format!("{name}.key"));
        ask(
            &place,
            &daemon,
            &[command, &["--ca", "ca.pem", "--cert", &cert, "--key", &key]].concat(),
        )
    };
    for (name, looks, cuts) in [
        ("ops", Some(0), Some(0)),
        ("nameless", Some(0), Some(0)),
        ("reader", Some(0), Some(1)),
        ("stranger", Some(1), Some(1)),
    ] {
        let looked = with(name, &["status"]);
        assert_eq!(looked.status.code(), looks, "{name}: {}", stderr(&looked));
        let cut = with(name, &["checkpoint", "create"]);
        assert_eq!(cut.status.code(), cuts, "{name}: {}", stderr(&cut));
    }
    let nobody = ask(&place, &daemon, &["status", "--ca", "ca.pem"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", stdout(&nobody));
    assert!(
        post(&place, &daemon.address, Some("ops"), "x")
            .unwrap()
            .starts_with("HTTP/1.1 200 ")
    );
    assert!(
        post(&place, &daemon.address, Some("reader"), "x")
            .unwrap()
            .starts_with("HTTP/1.1 403 ")
    );
    assert!(post(&place, &daemon.address, None, "x").is_err());
    daemon.wait_for_log("by=operator by certificate ops.example (sha256:");
    daemon.wait_for_log("read-only by certificate reader.example (sha256:");
    daemon.stop();
}

#[test]
fn with_tokens_besides_either_will_do() {
    let (place, authority) = with_authority();
    authority.certify(&place, "reader", &["reader.example"]);
    let daemon =
        place.start(&[&HTTPS[..], &MUTUAL, &["--set", "admin.token_file=operate"]].concat());
    for (identity, token, expected) in [
        (None, "x", "401"),
        (None, OPERATE, "200"),
        (Some("reader"), "x", "403"),
        (Some("reader"), OPERATE, "200"),
    ] {
        let answer = post(&place, &daemon.address, identity, token).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected} ")),
            "{identity:?} {token}: {answer}"
        );
    }
    daemon.stop();
}

#[test]
fn a_source_has_its_own_certificate_and_authority() {
    let (place, authority) = with_authority();
    authority.certify(&place, "visitor", &["visitor.example"]);
    let own = [
        "--set",
        "sources.lines.listen=127.0.0.1:0",
        "--set",
        "sources.lines.tls.cert=server.pem",
        "--set",
        "sources.lines.tls.key_file=server.key",
        "--set",
        "sources.lines.tls.client_ca=ca.pem",
    ];
    for (more, without) in [
        (&[][..], None),
        (&["--set", "sources.lines.token_file=post"], Some("401")),
    ] {
        let mut daemon = place.start(&[&own[..], more].concat());
        let address = &own_address(&mut daemon);
        let receivers = daemon.get("/api/v1/applications/wordcount/streaming/receivers");
        let location = receivers.json()[0]["location"].clone();
        assert_eq!(location, "lines posted to https://127.0.0.1:0/ingest/lines");
        let answer = post(&place, address, Some("visitor"), "x").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let nobody = post(&place, address, None, "x");
        match without {
            None => assert!(nobody.is_err(), "{nobody:?}"),
            Some(status) => assert!(nobody.unwrap().starts_with(&format!("HTTP/1.1 {status} "))),
        }
        if without.is_some() {
            assert!(
                post(&place, address, None, LINES)
                    .unwrap()
                    .starts_with("HTTP/1.1 200 ")
            );
        }
        daemon.stop();
    }
}

#[test]
fn certificates_are_read_again_and_a_bad_one_changes_nothing() {
    let (place, _) = with_authority();
    let sets = [&HTTPS[..], &["--set", "admin.token_file=operate"]].concat();
    let daemon = place.start(&sets);
    let with = |ca: &str, command: &str| ask_with_token(&place, &daemon, &[command], ca, "operate");
    let status = |ca: &str| with(ca, "status").status.code();
    let reload = |ca: &str| with(ca, "reload");
    assert_eq!(status("ca.pem"), Some(0));
    let before = std::fs::read(place.path("server.key")).unwrap();
    let other = Authority::new(&place, "other");
    // A certificate without its key, as one finds it between the two writes of a renewal.
    let key = std::fs::read(place.path("server.key")).unwrap();
    other.certify(&place, "server", &["127.0.0.1"]);
    let new_key = std::fs::read(place.path("server.key")).unwrap();
    std::fs::write(place.path("server.key"), &key).unwrap();
    let refused = reload("ca.pem");
    assert_eq!(refused.status.code(), Some(2), "{}", stdout(&refused));
    assert!(
        stderr(&refused).contains("`admin.tls`"),
        "{}",
        stderr(&refused)
    );
    assert_eq!((status("ca.pem"), status("other.pem")), (Some(0), Some(1)));
    std::fs::write(place.path("server.key"), &new_key).unwrap();
    let taken = reload("ca.pem");
    assert_eq!(taken.status.code(), Some(0), "{}", stderr(&taken));
    assert_eq!((status("ca.pem"), status("other.pem")), (Some(1), Some(0)));
    daemon.stop();

    // At the start a bad one is refused with its place.
    std::fs::write(place.path("server.key"), before).unwrap();
    for (file, text, told) in [
        ("server.key", None, "`admin.tls`: server.pem can't be used"),
        (
            "server.key",
            Some("no key"),
            "`admin.tls`: server.key holds no private key in PEM form",
        ),
        (
            "server.pem",
            Some(""),
            "`admin.tls`: server.pem holds no certificate in PEM form",
        ),
    ] {
        if let Some(text) = text {
            std::fs::write(place.path(file), text).unwrap();
        }
        let refused = place.run(&[&["run", "p.toml"], &sets[..]].concat());
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(
            stderr(&refused).contains(told),
            "{told}: {}",
            stderr(&refused)
        );
    }
}
