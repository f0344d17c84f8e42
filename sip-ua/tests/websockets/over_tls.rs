// SPDX-License-Identifier: MPL-2.0

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use sip_ua::agent::TlsFiles;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;

#[tokio::test]
async fn a_browser_over_tls_is_reached_the_same_way() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wss-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let params = CertificateParams::new(vec!["sip.example".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let files = TlsFiles {
        cert_file: Some(folder.join("cert.pem")),
        key_file: Some(folder.join("key.pem")),
        ..TlsFiles::default()
    };
    std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    let tls = Tls::load(files).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let (agent, mut calls) = agent(Transport::Wss, tls).await;

    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(agent.local_addr()).await.unwrap();
    let name = "sip.example".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    let browser = Browser::over(stream.unwrap(), "WSS", Some("sip")).await;
    super::calls::registers_asks_and_calls(&agent, &mut calls, browser.unwrap()).await;
}
