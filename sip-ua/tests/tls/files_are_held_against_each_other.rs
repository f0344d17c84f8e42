// SPDX-License-Identifier: MPL-2.0

use sip_ua::agent::{AgentError, TlsError, TlsFiles};

use super::*;

fn wrong(files: TlsFiles) -> TlsError {
    Tls::load(files).expect_err("they cannot be used")
}

#[test]
fn a_file_that_is_not_there() {
    let authority = Authority::new();
    let files = TlsFiles {
        key_file: Some("/nowhere/key.pem".into()),
        ..authority.signs("bob.example")
    };
    let error = wrong(files).to_string();
    assert!(
        error.starts_with("/nowhere/key.pem cannot be read: "),
        "{error}"
    );
}

#[test]
fn a_key_of_another_certificate() {
    let (one, other) = (Authority::new(), Authority::new());
    let files = TlsFiles {
        key_file: other.signs("bob.example").key_file,
        ..one.signs("bob.example")
    };
    let said = format!(
        "the key in {} does not belong to the certificate in {}",
        other.key().display(),
        one.cert().display()
    );
    assert_eq!(wrong(files).to_string(), said);
}

#[test]
fn the_two_confused() {
    let authority = Authority::new();
    authority.signs("bob.example");
    let files = |cert, key| TlsFiles {
        cert_file: Some(cert),
        key_file: Some(key),
        ..TlsFiles::default()
    };
    let error = wrong(files(authority.key(), authority.key()));
    assert!(matches!(error, TlsError::NoCertificate(_)), "{error}");
    let error = wrong(files(authority.cert(), authority.cert()));
    assert!(matches!(error, TlsError::NoKey(_)), "{error}");
}

#[test]
fn one_without_the_other() {
    let authority = Authority::new();
    let files = TlsFiles {
        key_file: None,
        ..authority.signs("bob.example")
    };
    assert!(matches!(wrong(files), TlsError::Half));
    let files = TlsFiles {
        client_ca_file: Some(authority.ca()),
        ..TlsFiles::default()
    };
    assert!(matches!(wrong(files), TlsError::OnlyClients));
}

#[tokio::test]
async fn a_listener_without_a_certificate() {
    let config = AgentConfig {
        listen: vec![Listen {
            transport: Transport::Tls,
            addr: "127.0.0.1:0".parse().unwrap(),
        }],
        ..AgentConfig::default()
    };
    let error = Agent::bind(config).await.err().expect("it cannot listen");
    assert!(matches!(error, AgentError::NoCertificate { .. }), "{error}");
}
