// SPDX-License-Identifier: MPL-2.0
//! DTLS 1.2 (RFC 6347) with keys for SRTP (RFC 5764), by OpenSSL.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::srtp::SrtpProfileId;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslStream,
    SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509NameBuilder};
use str0m::config::{DtlsCert, DtlsVersion, KeyingMaterial};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion, SrtpProfile,
};

/// Forward secrecy and authenticated encryption; RSA as well as elliptic certificates.
const CIPHERS: &str = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES256:!aNULL";

/// The cheapest first.
const PROFILES: &str = "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";

/// RFC 5764 section 4.2.
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";

/// How often OpenSSL is asked whether its own timer has run out. It sends again after one second, two,
/// four and so on, by the system's clock.
const LOOK: Duration = Duration::from_millis(200);

/// Records of the far end that wait to be read: a flight has a handful.
const WAITING_MAX: usize = 32;

const MTU: usize = 1_200;

/// How long a certificate lasts: longer than any process that makes one.
const CERTIFICATE_DAYS: u32 = 3_650;

/// A self-signed certificate on the curve that everybody has.
pub(in crate::rtc) fn generate_certificate() -> Result<DtlsCert, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "sipbridge")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::ONE, false)?;
    let serial = serial.to_asn1_integer()?;
    let mut certificate = X509::builder()?;
    // Counted from zero: version 3.
    certificate.set_version(2)?;
    certificate.set_serial_number(&serial)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_pubkey(&key)?;
    let (from, to) = (
        Asn1Time::days_from_now(0)?,
        Asn1Time::days_from_now(CERTIFICATE_DAYS)?,
    );
    certificate.set_not_before(&from)?;
    certificate.set_not_after(&to)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    Ok(DtlsCert {
        certificate: certificate.build().to_der()?,
        private_key: key.private_key_to_der()?,
    })
}

#[derive(Debug)]
pub(super) struct OpenSsl;

impl DtlsProvider for OpenSsl {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        generate_certificate().ok()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        _version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let failed = |error: ErrorStack| CryptoError::Other(error.to_string());
        let context = context(certificate).map_err(failed)?;
        let mut ssl = Ssl::new(&context).map_err(failed)?;
        let mtu = mtu.unwrap_or(MTU);
        ssl.set_mtu(u32::try_from(mtu).unwrap_or(1_200))
            .map_err(failed)?;
        let stream = SslStream::new(ssl, Datagrams::default()).map_err(failed)?;
        Ok(Box::new(Handshake {
            stream,
            active: None,
            outcome: VecDeque::new(),
            state: State::Shaking,
            now,
            due: None,
        }))
    }
}

/// What all connections with one certificate share.
fn context(certificate: &DtlsCert) -> Result<SslContext, ErrorStack> {
    static LAST: Mutex<Option<(Vec<u8>, SslContext)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, context)) = last.as_ref()
        && *of == certificate.certificate
    {
        return Ok(context.clone());
    }
    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_cipher_list(CIPHERS)?;
    context.set_tlsext_use_srtp(PROFILES)?;
    // Whose certificate it may be is told by its fingerprint, which is compared elsewhere; here it
    // only has to be there.
    context.set_verify_callback(
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        |_, _| true,
    );
    // Nobody comes back to a session of before, and none is kept.
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_options(
        SslOptions::NO_QUERY_MTU | SslOptions::NO_RENEGOTIATION | SslOptions::NO_TICKET,
    );
    context.set_mode(SslMode::RELEASE_BUFFERS);
    let key = PKey::private_key_from_der(&certificate.private_key)?;
    let own = X509::from_der(&certificate.certificate)?;
    context.set_certificate(&own)?;
    context.set_private_key(&key)?;
    let context = context.build();
    *last = Some((certificate.certificate.clone(), context.clone()));
    Ok(context)
}

/// Stands where OpenSSL expects a socket: one record a read, one a write.
#[derive(Default)]
struct Datagrams {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(datagram) = self.incoming.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        // As a socket would: what does not fit is lost.
        let length = datagram.len().min(buffer.len());
        let (into, _) = buffer.split_at_mut(length);
        into.copy_from_slice(datagram.get(..length).unwrap_or_default());
        Ok(length)
    }
}

impl Write for Datagrams {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Shaking,
    Established,
    /// Goodbye was said, or the handshake failed.
    Over,
}

/// What the handshake gave, in the order it is told.
enum Outcome {
    Certificate(Vec<u8>),
    Keys(Vec<u8>, SrtpProfile),
    Connected,
    Goodbye,
}

struct Handshake {
    stream: SslStream<Datagrams>,
    active: Option<bool>,
    outcome: VecDeque<Outcome>,
    state: State,
    now: Instant,
    due: Option<Instant>,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Handshake({:?})", self.state)
    }
}

impl Handshake {
    /// Goes as far as the records at hand allow. Sends again what OpenSSL's timer says was lost.
    fn advance(&mut self) -> Result<(), DtlsImplError> {
        let stepped = match self.active {
            None => return Ok(()),
            Some(true) => self.stream.connect(),
            Some(false) => self.stream.accept(),
        };
        match stepped {
            Ok(()) => {
                self.due = None;
                let agreed = self.agreed();
                if agreed.is_none() {
                    self.state = State::Over;
                    return Err(DtlsImplError::ConnectionClosed);
                }
                self.state = State::Established;
                self.outcome.extend(agreed.into_iter().flatten());
                self.outcome.push_back(Outcome::Connected);
                Ok(())
            }
            Err(error) if waits(&error) => {
                self.due = Some(self.now + LOOK);
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, "a DTLS handshake failed");
                self.due = None;
                self.state = State::Over;
                Err(DtlsImplError::ConnectionClosed)
            }
        }
    }

    /// The far end's certificate and the keys; `None` where it agreed to no SRTP profile.
    fn agreed(&self) -> Option<[Outcome; 2]> {
        let ssl = self.stream.ssl();
        let certificate = ssl.peer_certificate()?.to_der().ok()?;
        let profile = match ssl.selected_srtp_profile()?.id() {
            SrtpProfileId::SRTP_AEAD_AES_128_GCM => SrtpProfile::AEAD_AES_128_GCM,
            SrtpProfileId::SRTP_AEAD_AES_256_GCM => SrtpProfile::AEAD_AES_256_GCM,
            SrtpProfileId::SRTP_AES128_CM_SHA1_80 => SrtpProfile::AES128_CM_SHA1_80,
            _ => return None,
        };
        let mut keys = vec![0; profile.keying_material_len()];
        ssl.export_keying_material(&mut keys, EXPORTER, None).ok()?;
        Some([
            Outcome::Certificate(certificate),
            Outcome::Keys(keys, profile),
        ])
    }

    /// After the handshake there is nothing to read but the far end's goodbye, and what it sends
    /// again because our last flight was lost.
    fn listen(&mut self) {
        let mut nothing = [0; 64];
        loop {
            match self.stream.ssl_read(&mut nothing) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    if error.code() == ErrorCode::ZERO_RETURN {
                        self.state = State::Over;
                        self.outcome.push_back(Outcome::Goodbye);
                    }
                    return;
                }
            }
        }
    }
}

fn waits(error: &openssl::ssl::Error) -> bool {
    matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE)
}

impl DtlsInstance for Handshake {
    fn set_active(&mut self, active: bool) {
        self.active.get_or_insert(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        if self.state == State::Over {
            return Ok(());
        }
        // An empty one only begins the handshake.
        let incoming = &mut self.stream.get_mut().incoming;
        if !packet.is_empty() && incoming.len() < WAITING_MAX {
            incoming.push_back(packet.to_vec());
        }
        if self.state == State::Shaking {
            self.advance()?;
        }
        if self.state == State::Established {
            self.listen();
        }
        Ok(())
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        if let Some(packet) = self.stream.get_mut().outgoing.pop_front() {
            return match buffer.get_mut(..packet.len()) {
                Some(place) => {
                    place.copy_from_slice(&packet);
                    DtlsOutput::Packet(place)
                }
                None => DtlsOutput::BufferTooSmall {
                    needed: packet.len(),
                },
            };
        }
        match self.outcome.pop_front() {
            Some(Outcome::Certificate(certificate)) => match buffer.get_mut(..certificate.len()) {
                Some(place) => {
                    place.copy_from_slice(&certificate);
                    DtlsOutput::PeerCert(place)
                }
                None => {
                    let needed = certificate.len();
                    self.outcome.push_front(Outcome::Certificate(certificate));
                    DtlsOutput::BufferTooSmall { needed }
                }
            },
            Some(Outcome::Keys(keys, profile)) => {
                DtlsOutput::KeyingMaterial(KeyingMaterial::new(&keys), profile)
            }
            Some(Outcome::Connected) => DtlsOutput::Connected,
            Some(Outcome::Goodbye) => DtlsOutput::CloseNotify,
            None => DtlsOutput::Timeout(self.due.unwrap_or(self.now + Duration::from_secs(3_600))),
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.now = now;
        if self.state == State::Shaking && self.due.is_some_and(|due| due <= now) {
            self.advance()?;
        }
        Ok(())
    }

    fn send_application_data(&mut self, _data: &[u8]) -> Result<usize, DtlsImplError> {
        // There are no data channels.
        Err(DtlsImplError::ConnectionClosed)
    }

    fn is_active(&self) -> bool {
        self.active.unwrap_or(false)
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        (self.state == State::Established).then_some(ProtocolVersion::DTLS1_2)
    }

    fn is_closing(&self) -> bool {
        self.state == State::Over
    }

    fn is_closed(&self) -> bool {
        self.state == State::Over && self.stream.get_ref().outgoing.is_empty()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        if self.state == State::Established
            && let Err(error) = self.stream.shutdown()
        {
            tracing::debug!(%error, "no DTLS goodbye");
        }
        self.state = State::Over;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One end, and what it has told.
    struct End {
        dtls: Box<dyn DtlsInstance>,
        keys: Option<(Vec<u8>, SrtpProfile)>,
        certificate: Option<Vec<u8>>,
        connected: bool,
        goodbye: bool,
    }

    impl End {
        fn new(certificate: &DtlsCert, active: bool) -> End {
            let now = Instant::now();
            let mut dtls = OpenSsl
                .new_dtls(certificate, now, DtlsVersion::Dtls12, None)
                .unwrap();
            dtls.set_active(active);
            End {
                dtls,
                keys: None,
                certificate: None,
                connected: false,
                goodbye: false,
            }
        }

        /// What it has to send.
        fn flight(&mut self) -> Vec<Vec<u8>> {
            let mut buffer = [0; 2_000];
            let mut flight = Vec::new();
            loop {
                match self.dtls.poll_output(&mut buffer) {
                    DtlsOutput::Packet(packet) => flight.push(packet.to_vec()),
                    DtlsOutput::PeerCert(der) => self.certificate = Some(der.to_vec()),
                    DtlsOutput::KeyingMaterial(keys, profile) => {
                        self.keys = Some((keys.to_vec(), profile));
                    }
                    DtlsOutput::Connected => self.connected = true,
                    DtlsOutput::CloseNotify => self.goodbye = true,
                    _ => return flight,
                }
            }
        }
    }

    /// Both ends shake hands; of the flights on the wire those that `lost` names do not arrive.
    fn shake(lost: &[usize]) -> (End, End, [DtlsCert; 2]) {
        let certificates = [
            generate_certificate().unwrap(),
            generate_certificate().unwrap(),
        ];
        let mut client = End::new(&certificates[0], true);
        let mut server = End::new(&certificates[1], false);
        client.dtls.handle_packet(&[]).unwrap();
        let (start, mut flights) = (Instant::now(), 0);
        while !(client.connected && server.connected) {
            assert!(start.elapsed() < Duration::from_secs(10), "{flights}");
            let mut silent = true;
            for way in [true, false] {
                let (from, to) = match way {
                    true => (&mut client, &mut server),
                    false => (&mut server, &mut client),
                };
                let flight = from.flight();
                if flight.is_empty() {
                    continue;
                }
                silent = false;
                flights += 1;
                if !lost.contains(&flights) {
                    for packet in flight {
                        to.dtls.handle_packet(&packet).unwrap();
                    }
                }
            }
            if silent && !(client.connected && server.connected) {
                // OpenSSL's timers go by the system's clock.
                std::thread::sleep(LOOK);
                for end in [&mut client, &mut server] {
                    end.dtls.handle_timeout(Instant::now()).unwrap();
                }
            }
        }
        (client, server, certificates)
    }

    #[test]
    fn both_have_the_same_keys_and_each_others_certificate() {
        let (client, server, certificates) = shake(&[]);
        assert!(client.keys.is_some());
        assert!(client.keys == server.keys);
        assert!(client.certificate.as_ref() == Some(&certificates[1].certificate));
        assert!(server.certificate.as_ref() == Some(&certificates[0].certificate));
    }

    #[test]
    fn a_lost_beginning_is_sent_again() {
        let (client, server, _) = shake(&[1]);
        assert!(client.keys == server.keys);
    }

    #[test]
    fn a_lost_end_is_sent_again_though_its_sender_is_done() {
        // Hello, verification or the server's flight, the client's, and the server's last.
        let (client, server, _) = shake(&[4]);
        assert!(client.keys == server.keys);
    }

    #[test]
    fn goodbye_is_heard() {
        let (mut client, mut server, _) = shake(&[]);
        client.dtls.close().unwrap();
        for packet in client.flight() {
            server.dtls.handle_packet(&packet).unwrap();
        }
        server.flight();
        assert!(server.goodbye);
        assert!(client.dtls.is_closed());
    }

    #[test]
    fn nothing_is_understood_after_a_failure() {
        let certificate = generate_certificate().unwrap();
        let mut server = End::new(&certificate, false);
        // A fatal alert.
        let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
        let first = server.dtls.handle_packet(&alert);
        for _ in 0..100 {
            let again = server.dtls.handle_packet(&alert);
            assert!(first.is_ok() || again.is_ok());
        }
        assert!(server.flight().len() < 3);
        assert!(!server.connected);
    }
}
